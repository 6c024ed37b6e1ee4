import KernelLanguage

/// Which tile of which expert a number stands for: tiles are numbered expert by expert, across N, and block of rows by
/// block of rows innermost, so that the blocks of an expert that read the same weights are worked on at the same time.
package struct ExpertTiles {
    let configuration: GEMMConfiguration
    private let counts: ExpertCounts
    /// Tiles of all experts.
    private let ends: ExpertEnds
    /// Rows of each expert, at hand when the next tile is looked for.
    private let rows: SharedPointer<UInt32>

    /// One tile of the output.
    package struct Tile {
        package let expert: Value<UInt32>
        /// Block of rows in the expert.
        package let block: Value<UInt32>
        /// Tile across N.
        package let column: Value<UInt32>
        /// Rows of the block that exist, 1 to `blockM`.
        package let rows: Value<UInt32>
        /// Blocks of rows that the expert has.
        let blocks: Value<UInt32>
    }

    init(_ k: KernelBuilder, _ configuration: GEMMConfiguration, counts: ExpertCounts) {
        self.configuration = configuration
        self.counts = counts
        ends = ExpertEnds(k, experts: configuration.experts)
        rows = k.shared(UInt32.self, count: configuration.experts, alignment: 16)
    }

    package init(_ k: KernelBuilder, _ configuration: GEMMConfiguration, counts: Pointer<UInt32>) {
        self.init(k, configuration, counts: .given(counts))
    }

    /// Sums up the tiles of all experts. One warp calls it, and the block meets at a barrier afterwards.
    package func initialise(_ k: KernelBuilder) {
        ends.initialise(k) { expert in
            let count =
                switch counts {
                case .given(let counts): k.load(counts + expert)
                case .told(let arriving): arriving.count(k, expert: expert)
                }
            k.store(count, to: rows + expert)
            return blocks(count) * configuration.tilesAcross
        }
    }

    /// Number of tiles of all experts.
    func count(_ k: KernelBuilder) -> Value<UInt32> { ends.total(k) }

    /// Tile number `number`, which must exist.
    func tile(_ k: KernelBuilder, _ number: Value<UInt32>) -> Tile {
        let (expert, begin) = ends.find(k, number)
        let rows = k.load(rows + expert)
        let blocks = blocks(rows)
        let inExpert = number - begin
        let (block, column) = (k.variable(k.constant(UInt32(0))), k.variable(inExpert))
        k.if(blocks > 1) {
            block.value = inExpert % blocks
            column.value = inExpert / blocks
        }
        let left = rows - block.value * configuration.blockM
        return Tile(
            expert: expert, block: block.value, column: column.value,
            rows: left.minimum(k.constant(UInt32(configuration.blockM))), blocks: blocks)
    }

    private func blocks(_ rows: Value<UInt32>) -> Value<UInt32> {
        (rows + (configuration.blockM - 1)) / configuration.blockM
    }
}

/// Where a grouped GEMM learns how many rows its experts have.
enum ExpertCounts {
    /// UInt32 `[experts]`, complete before the launch.
    case given(Pointer<UInt32>)
    /// What ranks tell while they send.
    case told(ArrivingRows)
}
