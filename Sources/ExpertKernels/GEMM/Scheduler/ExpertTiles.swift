import KernelLanguage

/// Which tile of which expert a number stands for: tiles are numbered expert by expert, across N, and row block by row
/// block innermost, so that the row blocks of an expert that read the same weights are worked on at the same time.
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
        /// Row block in the expert.
        package let rowBlock: Value<UInt32>
        /// Tile across N.
        package let column: Value<UInt32>
        /// Rows of the row block that exist, 1 to the tile's height.
        package let rows: Value<UInt32>
        /// Row blocks that the expert has.
        let rowBlocks: Value<UInt32>
    }

    init(_ k: KernelBuilder, _ configuration: GEMMConfiguration, counts: ExpertCounts) {
        self.configuration = configuration
        self.counts = counts
        ends = ExpertEnds(k, experts: configuration.problem.experts)
        rows = k.shared(UInt32.self, count: configuration.problem.experts, alignment: 16)
    }

    package init(_ k: KernelBuilder, _ configuration: GEMMConfiguration, counts: Pointer<UInt32>) {
        self.init(k, configuration, counts: .given(counts))
    }

    /// Sums up the tiles of all experts. One warp calls it, and a barrier of the thread block follows.
    package func initialise(_ k: KernelBuilder) {
        ends.initialise(k) { expert in
            let count =
                switch counts {
                case .given(let counts): k.load(counts + expert)
                case .arriving(let rows): rows.count(k, expert: expert)
                }
            k.store(count, to: rows + expert)
            return rowBlocks(count) * configuration.tilesAcross
        }
    }

    /// Number of tiles of all experts.
    func count(_ k: KernelBuilder) -> Value<UInt32> { ends.total(k) }

    /// Tile number `number`, which must exist.
    func tile(_ k: KernelBuilder, _ number: Value<UInt32>) -> Tile {
        let (expert, begin) = ends.find(k, number)
        let rows = k.load(rows + expert)
        let rowBlocks = rowBlocks(rows)
        let inExpert = number - begin
        let (rowBlock, column) = (k.variable(0 as UInt32), k.variable(inExpert))
        k.if(rowBlocks > 1) {
            rowBlock.value = inExpert % rowBlocks
            column.value = inExpert / rowBlocks
        }
        let left = rows - rowBlock.value * configuration.tile.m
        return Tile(
            expert: expert, rowBlock: rowBlock.value, column: column.value, rows: left.minimum(configuration.tile.m),
            rowBlocks: rowBlocks)
    }

    private func rowBlocks(_ rows: Value<UInt32>) -> Value<UInt32> {
        (rows + (configuration.tile.m - 1)) / configuration.tile.m
    }
}

/// Source of the row counts of a grouped GEMM's experts.
enum ExpertCounts {
    /// UInt32 `[experts]`, complete before the launch.
    case given(Pointer<UInt32>)
    /// Row counts that ranks publish while they send.
    case arriving(ArrivingRows)
}
