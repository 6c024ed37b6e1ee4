import KernelLanguage

/// Which tile of which expert a number stands for: tiles are numbered expert by expert, across N, and block of rows by
/// block of rows innermost, so that the blocks of an expert that read the same weights are worked on at the same time.
package struct ExpertTiles {
    let configuration: GEMMConfiguration
    let counts: Pointer<UInt32>
    /// Number of tiles of all experts up to and including each one.
    private let ends: SharedPointer<UInt32>
    /// A copy of `counts`, at hand when the next tile is looked for.
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
    }

    package init(_ k: KernelBuilder, _ configuration: GEMMConfiguration, counts: Pointer<UInt32>) {
        self.configuration = configuration
        self.counts = counts
        ends = k.shared(UInt32.self, count: configuration.experts, alignment: 16)
        rows = k.shared(UInt32.self, count: configuration.experts, alignment: 16)
    }

    /// Sums up the tiles of all experts. One warp calls it, and the block meets at a barrier afterwards.
    package func initialise(_ k: KernelBuilder) {
        let total = k.variable(k.constant(UInt32(0)))
        k.for(to: (configuration.experts + 31) / 32) { group in
            let expert = (group << 5) + k.lane
            let tiles = k.variable(k.constant(UInt32(0)))
            let exists = expert < configuration.experts
            k.if(exists) {
                let count = k.load(counts + expert)
                k.store(count, to: rows + expert)
                tiles.value = blocks(count) * configuration.tilesAcross
            }
            for distance in [1, 2, 4, 8, 16] {
                let below = k.shuffle(tiles.value, up: distance)
                k.if(k.lane >= distance) { tiles.value = tiles.value + below }
            }
            let end = total.value + tiles.value
            k.if(exists) { k.store(end, to: ends + expert) }
            total.value = k.shuffle(end, from: k.constant(UInt32(31)))
        }
    }

    /// Number of tiles of all experts.
    func count(_ k: KernelBuilder) -> Value<UInt32> { k.load(ends + (configuration.experts - 1)) }

    /// Tile number `number`, which must exist.
    func tile(_ k: KernelBuilder, _ number: Value<UInt32>) -> Tile {
        // The first expert that ends above the number; `first` experts are known to end at or below it.
        let first = k.variable(k.constant(UInt32(0)))
        let begin = k.variable(k.constant(UInt32(0)))
        var step = 1
        while step * 2 <= configuration.experts { step *= 2 }
        while step > 0 {
            let last = first.value + (step - 1)
            k.if(last < configuration.experts) {
                let end = k.load(ends + last)
                k.if(end <= number) {
                    first.value = last + 1
                    begin.value = end
                }
            }
            step /= 2
        }
        let expert = first.value
        let rows = k.load(rows + expert)
        let blocks = blocks(rows)
        let inExpert = number - begin.value
        let (block, column) = (k.variable(k.constant(UInt32(0))), k.variable(inExpert))
        k.if(blocks > 1) {
            block.value = inExpert % blocks
            column.value = inExpert / blocks
        }
        let left = rows - block.value * configuration.blockM
        return Tile(
            expert: expert, block: block.value, column: column.value,
            rows: left.minimum(k.constant(UInt32(configuration.blockM))))
    }

    private func blocks(_ rows: Value<UInt32>) -> Value<UInt32> {
        (rows + (configuration.blockM - 1)) / configuration.blockM
    }
}
