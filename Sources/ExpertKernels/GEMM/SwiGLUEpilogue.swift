import KernelLanguage

/// SwiGLU and quantisation of finished tiles of gate and up: 128 channels of each, those of a row spread over all eight
/// multiplying warps.
struct SwiGLUEpilogue {
    private let configuration: GEMMConfiguration
    /// FP8 `[experts, maxRows, n / 2]`, four channels in a word.
    private let output: Pointer<UInt32>
    /// Float32 `[experts, n / 256, scaleRows]`.
    private let scales: Pointer<Float>
    /// The largest magnitude of each row in each warp: `[blockM, 8]`.
    private let largest: SharedPointer<Float>
    /// What each row is multiplied by before it is rounded.
    private let inverses: SharedPointer<Float>

    init(
        _ k: KernelBuilder, _ configuration: GEMMConfiguration, output: Pointer<UInt32>, scales: Pointer<Float>
    ) {
        self.configuration = configuration
        self.output = output
        self.scales = scales
        largest = k.shared(
            Float.self, count: configuration.blockM * GEMMConfiguration.multiplyingWarps, alignment: 16)
        inverses = k.shared(Float.self, count: configuration.blockM, alignment: 16)
    }

    /// Stores the sums of the multiplying warps. All of them call it.
    func store(_ k: KernelBuilder, _ sums: [Variable<Float>], _ tile: ExpertTiles.Tile) {
        let values = activated(k, sums)
        shareLargest(k, values)
        k.barrier(.multiplying, threads: GEMMConfiguration.multiplyingThreads)
        k.if(k.threadIndex < configuration.blockM) { quantiseRow(k, row: k.threadIndex, tile) }
        // The next tile may overwrite `largest` from here on, and `inverses` only after it has met once more.
        k.barrier(.multiplying, threads: GEMMConfiguration.multiplyingThreads)
        for eight in 0..<configuration.blockM / 8 {
            let inverses = k.loadVector(self.inverses + (((k.lane & 3) << 1) + eight * 8), count: 2)
            storeRows(k, values[eight].enumerated().map { $1 * inverses[$0 / 2] }, eight: eight, tile)
        }
    }

    /// For each eight rows, channels `c` of both halves for each of two neighbouring rows.
    private func activated(_ k: KernelBuilder, _ sums: [Variable<Float>]) -> [[Value<Float>]] {
        let perHalf = configuration.blockM / 2
        return (0..<configuration.blockM / 8).map { eight in
            (0..<4).map { index in
                let (row, half) = (index / 2, index % 2)
                let gate = sums[half * perHalf + eight * 4 + row]
                let up = sums[half * perHalf + eight * 4 + 2 + row]
                // The separate kernel reads both as BF16.
                let rounded = k.packBFloat16(gate.value, up.value).bfloat16Pair
                return swiGLU(k, gate: rounded[0], up: rounded[1])
            }
        }
    }

    /// Each warp leaves the largest magnitude of its 16 channels of every row.
    private func shareLargest(_ k: KernelBuilder, _ values: [[Value<Float>]]) {
        let warps = GEMMConfiguration.multiplyingWarps
        let warp = k.warpIndex
        let firstRow = (k.lane & 3) << 1
        let own = values.flatMap { four in
            [0, 2].map { first in
                [4, 8, 16].reduce(four[first].magnitude.maximum(four[first + 1].magnitude)) {
                    $0.maximum(k.shuffle($0, exclusiveOr: $1))
                }
            }
        }
        k.if(k.lane < 4) {
            for (index, value) in own.enumerated() {
                let row = firstRow + (index / 2 * 8 + index % 2)
                k.store(value, to: largest + (row * warps + warp))
            }
        }
    }

    /// One thread finds the scale of a row and leaves its inverse for the others.
    private func quantiseRow(_ k: KernelBuilder, row: Value<UInt32>, _ tile: ExpertTiles.Tile) {
        let place = largest + row * GEMMConfiguration.multiplyingWarps
        let ofWarps = k.loadVector(place, count: 4) + k.loadVector(place + 4, count: 4)
        let quantiser = Quantiser(k, largest: ofWarps.dropFirst().reduce(ofWarps[0]) { $0.maximum($1) })
        k.store(quantiser.inverse, to: inverses + row)
        k.if(row < tile.rows) {
            let group = tile.expert.multiply(configuration.tilesAcross, add: tile.column)
            let inGroup = group.multiply(configuration.scaleRows, add: tile.block * configuration.blockM + row)
            k.store(quantiser.scale, to: scales + inGroup)
        }
    }

    /// Stores eight rows of the warp's 16 channels.
    private func storeRows(
        _ k: KernelBuilder, _ values: [Value<Float>], eight: Int, _ tile: ExpertTiles.Tile
    ) {
        // Bytes: row 0 of the first and the second half, then row 1. After the transpose: the thread's row, of two
        // neighbouring channels the first and the second half each.
        let turned = k.transpose(k.packFloat8(values))
        let firstHalf = (turned & 0xFF) | (turned >> 8 & 0xFF00)
        let secondHalf = (turned >> 8 & 0xFF) | (turned >> 16 & 0xFF00)
        // Of two neighbouring threads, the even one stores four channels of the first half, the odd one of the second.
        let isOdd = (k.lane & 1) == 1
        let received = k.shuffle(isOdd.select(firstHalf, secondHalf), exclusiveOr: 1)
        let word = isOdd.select(received | secondHalf << 16, firstHalf | received << 16)

        let row = (k.lane >> 2) + eight * 8
        let warp = k.warpIndex
        k.if(row < tile.rows) {
            let globalRow = tile.expert.multiply(configuration.maxRows, add: tile.block * configuration.blockM + row)
            let inTile = ((warp >> 2) << 4) + ((k.lane & 1) << 3) + ((warp & 3) << 1) + ((k.lane & 3) >> 1)
            let place = globalRow.multipliedWide(by: configuration.n / 8) + (tile.column * 32 + inTile).wide
            k.store(word, to: output + place)
        }
    }
}
