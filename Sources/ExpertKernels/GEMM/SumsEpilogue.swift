import KernelLanguage

/// Stores finished tiles in BF16, straight from registers.
struct SumsEpilogue {
    let configuration: GEMMConfiguration
    /// BF16 `[experts, maxRows, n]`, as pairs of channels.
    let output: Pointer<UInt32>

    /// Stores the sums of the multiplying warps. All of them call it.
    func store(_ k: KernelBuilder, _ sums: [Variable<Float>], _ tile: ExpertTiles.Tile) {
        let blockM = configuration.blockM
        let group = k.warpIndex >> 2
        let firstRow = tile.expert.multiply(configuration.maxRows, add: tile.block * blockM)
        let width = 64 * configuration.halves
        let firstChannel = tile.column * configuration.tileN + group * width
        // Of the last tile, the second half may not be there.
        let exists = firstChannel < configuration.n
        let isOdd = (k.lane & 1) == 1
        let ownChannel = (((k.lane & 1) << 3) + ((k.lane & 2) << 1)) + ((k.warpIndex & 3) << 4)
        let channel = firstChannel + ownChannel
        for eight in 0..<blockM / 8 {
            let words = (0..<configuration.halves).map { half in
                let first = half * (blockM / 2) + eight * 4
                return fourChannels(k, sums[first..<first + 4].map(\.value), isOdd: isOdd)
            }
            let row = (k.lane >> 2) + eight * 8
            k.if(row < tile.rows && exists) {
                let place = output + ((firstRow + row).multipliedWide(by: configuration.n / 2) + (channel >> 1).wide)
                for (half, word) in words.enumerated() { k.storeVector(word, to: place + half * 32) }
            }
        }
    }

    /// From channels `c` and `c + 8` of two rows in each thread to four neighbouring channels of one row, so that four
    /// threads fill a sector of memory at once: even threads get those of the first eight channels.
    private func fourChannels(_ k: KernelBuilder, _ sums: [Value<Float>], isOdd: Condition) -> [Value<UInt32>] {
        // A transpose turns two rows of a channel in each thread into two channels of a row.
        let low = k.transpose(k.packBFloat16(sums[0], sums[1]))
        let high = k.transpose(k.packBFloat16(sums[2], sums[3]))
        let received = k.shuffle(isOdd.select(low, high), exclusiveOr: 1)
        return [isOdd.select(received, low), isOdd.select(high, received)]
    }
}
