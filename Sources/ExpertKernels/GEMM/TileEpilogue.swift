import KernelLanguage

/// Writes finished tiles: Float32 sums to BF16, through shared memory so that each row leaves as one bulk store, and
/// then the block's signal.
struct TileEpilogue {
    private let configuration: GEMMConfiguration
    private let output: Pointer<BFloat16>
    private let signals: BlockSignals
    /// One row per token, padded by 16 bytes so that columns fall into different banks.
    private let staging: SharedPointer<BFloat16>
    private static let pitch = GEMMConfiguration.blockN + 8
    private static let threads = 256
    private static let barrier = NamedBarrier(1)

    init(
        _ k: KernelBuilder, _ configuration: GEMMConfiguration, output: Pointer<BFloat16>, signals: BlockSignals
    ) {
        self.configuration = configuration
        self.output = output
        self.signals = signals
        staging = k.shared(BFloat16.self, count: configuration.blockM * Self.pitch, alignment: 128)
    }

    /// Stores the sums of the multiplying warps. All of them call it.
    func store(_ k: KernelBuilder, _ sums: [Variable<Float>], _ tile: TileSchedule.Tile) {
        let channel = (k.warpIndex << 4) + (k.lane >> 2)
        let column = (k.lane & 3) << 1
        let corner = staging + column.multiply(Self.pitch, add: channel)
        for (index, sum) in sums.enumerated() {
            let (j, h, c) = (index / 4, index / 2 % 2, index % 2)
            k.store(sum.value.converted(to: BFloat16.self), to: corner + (j * 8 + c) * Self.pitch + h * 8)
        }
        // The bulk stores read what ordinary stores of all these threads wrote.
        k.proxyFence(.asyncShared)
        k.barrier(Self.barrier, threads: Self.threads)
        k.if(k.threadIndex < tile.rows) {
            let row = tile.expert.multiply(
                configuration.maxRows, add: (tile.block * configuration.blockM) + k.threadIndex)
            let destination =
                output + row.multipliedWide(by: configuration.n) + tile.column * GEMMConfiguration.blockN
            k.bulkStore(
                staging + k.threadIndex * Self.pitch, to: destination,
                bytes: k.constant(UInt32(GEMMConfiguration.blockN * 2)))
            k.bulkStoreCommit()
        }
        if configuration.signals {
            announceTile(k, tile)
        } else {
            k.bulkStoreWait(.sourceRead)
            k.barrier(Self.barrier, threads: Self.threads)
        }
    }

    /// Tells the combine kernel that one tile of this block is in memory.
    private func announceTile(_ k: KernelBuilder, _ tile: TileSchedule.Tile) {
        k.bulkStoreWait(.completed)  // performed, not merely read
        k.barrier(Self.barrier, threads: Self.threads)  // every storing thread got here
        var announces = k.isFirstThread
        if let dropped = configuration.droppedSignal {
            announces =
                announces && !(tile.expert == dropped.expert && tile.block == dropped.block && tile.column == 0)
        }
        k.if(announces) {
            k.atomicAdd(
                signals.signal(expert: tile.expert, block: tile.block), 1, order: .release, scope: .gpu)
        }
    }
}
