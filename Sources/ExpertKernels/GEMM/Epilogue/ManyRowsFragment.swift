import KernelLanguage

/// Rows of the tile are the 64-row operand, weights the columns. A warp has 16 of each 64 rows; a thread has rows `r`
/// and `r + 8` of them and, of each eight channels, two neighbouring ones.
struct ManyRowsFragment: TileFragment {
    private let configuration: GEMMConfiguration

    init(_ configuration: GEMMConfiguration) { self.configuration = configuration }

    var parts: [TilePart] {
        (0..<configuration.tile.m / 64).map { TilePart(number: $0, firstRow: $0 * 64, rows: 64) }
    }

    func operands(
        _ part: TilePart, weights: SharedPointer<Float8E4M3>, rows: SharedPointer<Float8E4M3>
    ) -> (a: SharedPointer<Float8E4M3>, b: SharedPointer<Float8E4M3>) {
        (rows + part.firstRow * TileShape.k, weights)
    }

    var products: Int { configuration.pipeline.groupChannels / 2 }

    func place(_ index: Int) -> (row: Int, isSecondEight: Bool) { (index / 2 % 2, index / 4 % 2 == 1) }

    func rows(_ k: KernelBuilder, of part: TilePart) -> [Value<UInt32>] {
        let row = (k.lane >> 2) + ((k.warpIndex & 3) << 4)
        return [row + part.firstRow, row + (part.firstRow + 8)]
    }

    /// A thread has two of each eight channels, too many to keep: every lane keeps two of each 64, those of one of
    /// eight eights.
    func keptChannels(_ k: KernelBuilder) -> (firsts: [Value<UInt32>], run: Int) {
        ((0..<configuration.pipeline.groupChannels / 64).map { (k.lane << 1) + $0 * 64 }, 2)
    }

    func scalesOfProducts(_ k: KernelBuilder, _ kept: [Value<Float>]) -> [Value<Float>] {
        (0..<configuration.pipeline.groupChannels / 8).flatMap { eight in
            let lane = (k.lane & 3) + eight % 8 * 4
            let pair = (0..<2).map { k.shuffle(kept[eight / 8 * 2 + $0], from: lane) }
            // Of both rows.
            return pair + pair
        }
    }

    func transpose(
        _ k: KernelBuilder, _ sums: [Value<Float>], channels slice: Int, firstRow: Int, into memory: TransposedRows
    ) {
        let row = (k.lane >> 2) + ((k.warpIndex & 3) << 4)
        let first = firstRow / 64 * products + slice * 32
        for eight in 0..<8 {
            for half in 0..<2 {
                let index = first + eight * 4 + half * 2
                memory.store(
                    k, [k.packBFloat16(sums[index], sums[index + 1])], row: row, plus: half * 8,
                    chunk: k.constant(UInt32(eight)), word: k.lane & 3)
            }
        }
    }

    func transpose(
        _ k: KernelBuilder, activated: [Value<Float>], of part: TilePart, firstSlice: Value<UInt32>,
        into memory: TransposedRows
    ) {
        let isOdd = (k.lane & 1) == 1
        // Of two neighbouring threads, the even one gets four channels of row `r`, the odd one of row `r + 8`.
        let row = (k.lane >> 2) + ((k.warpIndex & 3) << 4) + ((k.lane & 1) << 3)
        for eight in 0..<configuration.pipeline.groupChannels / 16 {
            let packed = k.packFloat8(Array(activated[eight * 4..<eight * 4 + 4]))
            let received = k.shuffle(isOdd.select(packed, packed >> 16), exclusiveOr: 1)
            let word = isOdd.select((received & 0xFFFF) | (packed & 0xFFFF_0000), (packed & 0xFFFF) | received << 16)
            memory.store(
                k, [word], row: row, plus: part.firstRow, chunk: (firstSlice << 1) + eight / 2,
                word: ((k.lane & 3) >> 1) + eight % 2 * 2)
        }
    }

    var lanesOfRow: [Int] { [1, 2] }
    var spreadsRows: Bool { false }
}
