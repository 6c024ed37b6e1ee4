import KernelLanguage

/// Stores finished tiles in BF16.
struct BFloat16Epilogue {
    let ring: StageRing
    /// BF16 `[experts, maxRows, n]`, as pairs of channels.
    private let output: Pointer<UInt32>
    /// If rows go home: their addresses there, UInt64 `[2, consumerGroups, tile.m]`; work tiles alternate.
    private let home: (rows: HomeRows, addresses: SharedPointer<UInt64>)?

    init(_ k: KernelBuilder, _ ring: StageRing, output: Pointer<UInt32>, home: HomeRows?) {
        self.ring = ring
        self.output = output
        let count = 2 * ring.configuration.pipeline.consumerGroups * ring.configuration.tile.m
        self.home = home.map { ($0, k.shared(UInt64.self, count: count)) }
    }

    /// Stores the destinations of a work tile's rows for `store`, looked up while there is time. Each consumer warp
    /// group does so for itself, and has read those of two work tiles before.
    func prepare(_ k: KernelBuilder, _ workTile: TileScheduler.WorkTile) {
        guard let home else { return }
        let row = k.threadIndex & 127
        k.if(row < workTile.tile.rows) {
            let destination = home.rows.destination(
                k, expert: workTile.tile.expert,
                row: workTile.tile.rowBlock.multiply(ring.configuration.tile.m, add: row))
            k.store(
                destination.exists.select(destination.row.bits, k.constant(UInt64(0))),
                to: home.addresses + index(k, of: row, workTile))
        }
    }

    /// Index of a row of the tile in the addresses.
    private func index(_ k: KernelBuilder, of row: Value<UInt32>, _ workTile: TileScheduler.WorkTile) -> Value<UInt32> {
        let configuration = ring.configuration
        let turn = (workTile.index & 1).multiply(configuration.pipeline.consumerGroups, add: k.threadIndex >> 7)
        return turn.multiply(configuration.tile.m, add: row)
    }

    /// Stores the sums of the consumer warps and releases the tile's last stage, whose weights have been read: 64 rows
    /// of a warp group's 64 channels take as much memory. All consumer warps call it.
    func store(
        _ k: KernelBuilder, _ sums: [Variable<Float>], _ workTile: TileScheduler.WorkTile, _ last: StageRing.Stage
    ) {
        let configuration = ring.configuration
        let tile = workTile.tile
        let fragment = configuration.fragment
        let group = k.warpIndex >> 2
        let slices = configuration.pipeline.groupChannels / 64
        let values = sums.map(\.value)
        for slice in 0..<slices {
            let sliceOfTile = group * slices + slice
            let memory = TransposedRows(last.weights + sliceOfTile * TransposedRows.bytes(rows: 64))
            let channel = tile.column * configuration.tile.n + sliceOfTile * 64
            for firstRow in stride(from: 0, to: configuration.tile.m, by: 64) {
                let rows = min(64, configuration.tile.m - firstRow)
                // The group has read the weights, or the rows before.
                barrierOfGroup(k, group)
                fragment.transpose(k, values, channels: slice, firstRow: firstRow, into: memory)
                barrierOfGroup(k, group)
                let chunks = (0..<rows / 16).map { memory.load(k, row: (k.threadIndex & 127) >> 3, plus: $0 * 16) }
                if slice == slices - 1, firstRow + rows == configuration.tile.m {
                    // The next load into the stage comes after these accesses.
                    k.proxyFence(.asyncShared)
                    ring.release(k, last)
                }
                for (number, chunk) in chunks.enumerated() {
                    let row = ((k.threadIndex & 127) >> 3) + (firstRow + number * 16)
                    // Of the last tile, the second half may not be there.
                    k.if(row < tile.rows && channel < configuration.problem.n) {
                        let word = (channel >> 1) + ((k.lane & 7) << 2)
                        // The next reader of the output finds it in the L2, and it is overwritten there.
                        let start = start(k, of: row, workTile)
                        let store = { k.storeVector(chunk, to: start + word, cache: .evictLast) }
                        if home == nil { store() } else { k.if(start.bits != 0, then: store) }
                    }
                }
            }
        }
    }

    /// Channel 0 of a row of the tile.
    private func start(
        _ k: KernelBuilder, of row: Value<UInt32>, _ workTile: TileScheduler.WorkTile
    ) -> Pointer<UInt32> {
        if let home { return Pointer(bits: k.load(home.addresses + index(k, of: row, workTile))) }
        return self.row(row, of: workTile.tile)
    }

    /// Channel 0 of a row of a tile in `output`.
    private func row(_ row: Value<UInt32>, of tile: ExpertTiles.Tile) -> Pointer<UInt32> {
        let configuration = ring.configuration
        let globalRow = tile.expert.multiply(
            configuration.problem.maxRows, add: tile.rowBlock * configuration.tile.m + row)
        return output + globalRow.multipliedWide(by: configuration.problem.n / 2)
    }

    private func barrierOfGroup(_ k: KernelBuilder, _ group: Value<UInt32>) {
        k.barrier(.consumerGroup, plus: group, threads: Hopper.warpGroupThreads)
    }
}
