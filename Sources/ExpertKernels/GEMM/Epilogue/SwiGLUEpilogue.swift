import KernelLanguage

/// SwiGLU and quantisation of finished tiles of gate and up: 128 channels of each, those of a row spread over several
/// warps.
struct SwiGLUEpilogue {
    private let ring: StageRing
    /// FP8 `[experts, maxRows, n / 2]`, four channels in a word.
    private let output: Pointer<UInt32>
    /// Float32 `[experts, n / 256, scaleRows]`.
    private let scales: Pointer<Float>
    private let fragment: any TileFragment
    /// Warps over which the channels of a row are spread.
    private let sharers: Int
    /// The largest magnitude of each row in each of those warps: `[tile.m, sharers]`.
    private let largest: SharedPointer<Float>
    /// The inverse of each row's scale: `[tile.m]`.
    private let inverses: SharedPointer<Float>

    init(
        _ k: KernelBuilder, _ ring: StageRing, output: Pointer<UInt32>, scales: Pointer<Float>
    ) {
        let configuration = ring.configuration
        self.ring = ring
        self.output = output
        self.scales = scales
        fragment = configuration.fragment
        sharers = configuration.pipeline.consumerGroups * (fragment.spreadsRows ? 4 : 1)
        largest = k.shared(Float.self, count: configuration.tile.m * sharers, alignment: 16)
        inverses = k.shared(Float.self, count: configuration.tile.m, alignment: 16)
    }

    private var configuration: GEMMConfiguration { ring.configuration }

    /// Stores the sums of the consumer warps and releases the tile's last stage, whose weights have been read: a tile's
    /// rows of 128 bytes find room there. All consumer warps call it.
    func store(_ k: KernelBuilder, _ sums: [Variable<Float>], _ tile: ExpertTiles.Tile, _ last: StageRing.Stage) {
        let swiGLU = SwiGLU(k, configuration.activation, expert: tile.expert)
        let values = fragment.parts.map { activated(k, sums, of: $0, swiGLU) }
        for (part, values) in zip(fragment.parts, values) { shareLargest(k, values, of: part) }
        // From here on, nobody reads the stage's weights.
        k.barrier(.consumers, threads: configuration.pipeline.consumerThreads)
        k.if(k.threadIndex < configuration.tile.m) { quantiseRow(k, row: k.threadIndex, tile) }
        // The next tile may overwrite `largest` from here on, and `inverses` only after one more barrier.
        k.barrier(.consumers, threads: configuration.pipeline.consumerThreads)
        let memory = TransposedRows(last.weights)
        let firstSlice = (k.warpIndex >> 2) * (configuration.pipeline.groupChannels / 64)
        for (part, values) in zip(fragment.parts, values) {
            let inverses = fragment.rows(k, of: part).map { k.load(self.inverses + $0) }
            let scaled = values.map { $0.value * inverses[$0.row] }
            fragment.transpose(k, activated: scaled, of: part, firstSlice: firstSlice, into: memory)
        }
        k.barrier(.consumers, threads: configuration.pipeline.consumerThreads)
        storeRows(k, memory, tile, last)
    }

    /// The thread's channels of one part after SwiGLU, each with the number of its row.
    private func activated(
        _ k: KernelBuilder, _ sums: [Variable<Float>], of part: TilePart, _ swiGLU: SwiGLU
    ) -> [(value: Value<Float>, row: Int)] {
        let own = sums[part.number * fragment.products..<(part.number + 1) * fragment.products].map(\.value)
        let gates = own.indices.filter { !fragment.place($0).isSecondEight }
        let ups = own.indices.filter { fragment.place($0).isSecondEight }
        return zip(gates, ups).map { gate, up in
            // As the separate SwiGLU kernel, which reads both in BF16.
            let rounded = k.packBFloat16(own[gate], own[up]).bfloat16Pair
            return (swiGLU(gate: rounded[0], up: rounded[1]), fragment.place(gate).row)
        }
    }

    /// Each warp stores the largest magnitude of its channels of every row.
    private func shareLargest(_ k: KernelBuilder, _ values: [(value: Value<Float>, row: Int)], of part: TilePart) {
        let own = fragment.rows(k, of: part).enumerated().map { number, row in
            let magnitudes = values.filter { $0.row == number }.map(\.value.magnitude)
            let ofThread = magnitudes.dropFirst().reduce(magnitudes[0]) { $0.maximum($1) }
            return (row, fragment.lanesOfRow.reduce(ofThread) { $0.maximum(k.shuffle($0, exclusiveOr: $1)) })
        }
        let others = UInt32(fragment.lanesOfRow.reduce(0, +))
        let sharer = fragment.spreadsRows ? k.warpIndex : k.warpIndex >> 2
        k.if((k.lane & k.constant(others)) == 0) {
            for (row, value) in own { k.store(value, to: largest + (row * sharers + sharer)) }
        }
    }

    /// One thread computes the scale of a row and stores its inverse for the others.
    private func quantiseRow(_ k: KernelBuilder, row: Value<UInt32>, _ tile: ExpertTiles.Tile) {
        let place = largest + row * sharers
        let width = min(4, sharers)
        let ofWarps = stride(from: 0, to: sharers, by: width).flatMap { k.loadVector(place + $0, count: width) }
        let quantiser = Quantiser(
            k, largest: ofWarps.dropFirst().reduce(ofWarps[0]) { $0.maximum($1) }, configuration.scaleFormat)
        k.store(quantiser.inverse, to: inverses + row)
        k.if(row < tile.rows) {
            let group = tile.expert.multiply(configuration.tilesAcross, add: tile.column)
            let inGroup = group.multiply(
                configuration.problem.scaleRows, add: tile.rowBlock * configuration.tile.m + row)
            k.store(quantiser.scale, to: scales + inGroup, cache: .evictLast)
        }
    }

    /// Stores the rows that exist, 16 bytes a thread.
    private func storeRows(
        _ k: KernelBuilder, _ memory: TransposedRows, _ tile: ExpertTiles.Tile, _ last: StageRing.Stage
    ) {
        let firstRow = k.threadIndex >> 3
        let rounds = stride(from: 0, to: configuration.tile.m, by: configuration.pipeline.consumerThreads / 8)
        // Rows beyond the row block lie in the stage's memory too.
        let chunks = rounds.map { memory.load(k, row: firstRow, plus: $0) }
        // The next load into the stage comes after these accesses.
        k.proxyFence(.asyncShared)
        ring.release(k, last)
        for (plus, chunk) in zip(rounds, chunks) {
            let row = firstRow + plus
            k.if(row < tile.rows) {
                let globalRow = tile.expert.multiply(
                    configuration.problem.maxRows, add: tile.rowBlock * configuration.tile.m + row)
                let word = (tile.column << 5) + ((k.lane & 7) << 2)
                // The down GEMM finds the rows in the L2, and they are overwritten there.
                k.storeVector(
                    chunk, to: output + (globalRow.multipliedWide(by: configuration.problem.n / 8) + word.wide),
                    cache: .evictLast)
            }
        }
    }
}
