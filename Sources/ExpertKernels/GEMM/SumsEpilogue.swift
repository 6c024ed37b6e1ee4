import KernelLanguage

/// Stores finished tiles in BF16.
struct SumsEpilogue {
    let ring: StageRing
    /// BF16 `[experts, maxRows, n]`, as pairs of channels.
    let output: Pointer<UInt32>

    /// Stores the sums of the multiplying warps and releases the tile's last stage, whose weights have been read: 64 rows of
    /// a warp group's 64 channels take as much memory. All multiplying warps call it.
    func store(_ k: KernelBuilder, _ sums: [Variable<Float>], _ tile: ExpertTiles.Tile, _ last: StageRing.Stage) {
        let configuration = ring.configuration
        let fragment = configuration.fragment
        let group = k.warpIndex >> 2
        let slices = configuration.groupWidth / 64
        let values = sums.map(\.value)
        for slice in 0..<slices {
            let sliceOfTile = group * slices + slice
            let memory = TurnedRows(last.weights + sliceOfTile * TurnedRows.bytes(rows: 64))
            let channel = tile.column * configuration.tileN + sliceOfTile * 64
            for firstRow in stride(from: 0, to: configuration.blockM, by: 64) {
                let rows = min(64, configuration.blockM - firstRow)
                // The group has read the weights, or the rows before.
                barrierOfGroup(k, group)
                fragment.turn(k, values, channels: slice, firstRow: firstRow, into: memory)
                barrierOfGroup(k, group)
                let chunks = (0..<rows / 16).map { memory.load(k, row: (k.threadIndex & 127) >> 3, plus: $0 * 16) }
                if slice == slices - 1, firstRow + rows == configuration.blockM {
                    // The next load into the stage comes after these accesses.
                    k.proxyFence(.asyncShared)
                    ring.release(k, last)
                }
                for (number, chunk) in chunks.enumerated() {
                    let row = ((k.threadIndex & 127) >> 3) + (firstRow + number * 16)
                    // Of the last tile, the second half may not be there.
                    k.if(row < tile.rows && channel < configuration.n) {
                        let globalRow = tile.expert.multiply(
                            configuration.maxRows, add: tile.block * configuration.blockM + row)
                        let word = (channel >> 1) + ((k.lane & 7) << 2)
                        // Whoever reads the output next finds it in the L2, and it is overwritten there.
                        k.storeVector(
                            chunk, to: output + (globalRow.multipliedWide(by: configuration.n / 2) + word.wide),
                            cache: .evictLast)
                    }
                }
            }
        }
    }

    private func barrierOfGroup(_ k: KernelBuilder, _ group: Value<UInt32>) {
        k.barrier(.ofGroup, plus: group, threads: 128)
    }
}

extension NamedBarrier {
    /// The first of four, one for each multiplying warp group.
    static let ofGroup = NamedBarrier(2)
}
