import KernelLanguage

/// Weights are the 64-row operand, rows of the tile the columns. A warp has 16 of each 64 channels; a thread has, of
/// each eight rows, channels `c` and `c + 8` of two neighbouring ones.
struct FewRowsFragment: TileFragment {
    private let configuration: GEMMConfiguration

    init(_ configuration: GEMMConfiguration) {
        precondition(configuration.pipeline.groupChannels == 64, "a group multiplies 64 channels at once")
        self.configuration = configuration
    }

    var parts: [TilePart] { [TilePart(number: 0, firstRow: 0, rows: configuration.tile.m)] }

    func operands(
        _ part: TilePart, weights: SharedPointer<Float8E4M3>, rows: SharedPointer<Float8E4M3>
    ) -> (a: SharedPointer<Float8E4M3>, b: SharedPointer<Float8E4M3>) { (weights, rows) }

    var products: Int { configuration.tile.m / 2 }

    func place(_ index: Int) -> (row: Int, isSecondEight: Bool) { (index / 4 * 2 + index % 2, index / 2 % 2 == 1) }

    func rows(_ k: KernelBuilder, of part: TilePart) -> [Value<UInt32>] {
        let first = (k.lane & 3) << 1
        return (0..<configuration.tile.m / 4).map { index -> Value<UInt32> in
            let row: Int = index / 2 * 8 + index % 2
            return first + row
        }
    }

    /// The channels of the thread's own products.
    func keptChannels(_ k: KernelBuilder) -> (firsts: [Value<UInt32>], run: Int) {
        let first = ((k.warpIndex & 3) << 4) + (k.lane >> 2)
        return ([first, first + 8], 1)
    }

    func scalesOfProducts(_ k: KernelBuilder, _ kept: [Value<Float>]) -> [Value<Float>] {
        (0..<products).map { kept[place($0).isSecondEight ? 1 : 0] }
    }

    func transpose(
        _ k: KernelBuilder, _ sums: [Value<Float>], channels slice: Int, firstRow: Int, into memory: TransposedRows
    ) {
        let isOdd = (k.lane & 1) == 1
        let chunk = ((k.warpIndex & 3) << 1) + (k.lane & 1)
        for eight in 0..<configuration.tile.m / 8 {
            let own = Array(sums[eight * 4..<eight * 4 + 4])
            // A transpose makes two channels of a row out of two rows of a channel in each thread.
            let low = k.transpose(k.packBFloat16(own[0], own[1]))
            let high = k.transpose(k.packBFloat16(own[2], own[3]))
            // Of two neighbouring threads, the even one gets four of the first eight channels, the odd one of the
            // others.
            let received = k.shuffle(isOdd.select(low, high), exclusiveOr: 1)
            let words = [isOdd.select(received, low), isOdd.select(high, received)]
            memory.store(k, words, row: k.lane >> 2, plus: eight * 8, chunk: chunk, word: k.lane & 2)
        }
    }

    func transpose(
        _ k: KernelBuilder, activated: [Value<Float>], of part: TilePart, firstSlice: Value<UInt32>,
        into memory: TransposedRows
    ) {
        let isOdd = (k.lane & 1) == 1
        let row = (k.lane >> 2) + ((k.lane & 1) << 3)
        let chunk = (firstSlice << 1) + ((k.warpIndex & 3) >> 1)
        let word = ((k.warpIndex & 1) << 1) + ((k.lane & 3) >> 1)
        for sixteen in 0..<configuration.tile.m / 16 {
            let own = Array(activated[sixteen * 4..<sixteen * 4 + 4])
            // Bytes: row 0 of the first and the second eight, then row 1. After the transpose: the thread's row of both
            // eights, of two neighbouring channels each.
            let transposed = k.transpose(k.packFloat8([own[0], own[2], own[1], own[3]]))
            let firstEight = (transposed & 0xFF) | (transposed >> 8 & 0xFF00)
            let secondEight = (transposed >> 8 & 0xFF) | (transposed >> 16 & 0xFF00)
            // Of two neighbouring threads, the even one gets four channels of the first eight, the odd one of the
            // second.
            let received = k.shuffle(isOdd.select(firstEight, secondEight), exclusiveOr: 1)
            let joined = isOdd.select(received | secondEight << 16, firstEight | received << 16)
            memory.store(k, [joined], row: row, plus: sixteen * 16, chunk: chunk, word: word)
        }
    }

    var lanesOfRow: [Int] { [4, 8, 16] }
    var spreadsRows: Bool { true }
}
