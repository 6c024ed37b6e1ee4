import KernelLanguage

/// Sums of a tile that one block of the grid begins and the next one finishes, on their way through global memory.
struct SplitSums {
    /// Float32 `[gridSize, tileN * blockM]`, in the order of registers.
    private let sums: Pointer<Float>
    /// UInt32 `[gridSize]`: 1 while sums of the block wait for the next one, else 0.
    private let flags: Pointer<UInt32>
    private let configuration: GEMMConfiguration
    let watchdog: Watchdog

    /// Declares the parameters.
    init(_ k: KernelBuilder, _ configuration: GEMMConfiguration) {
        sums = k.pointerParameter("splitSums", to: Float.self)
        flags = k.pointerParameter("splitFlags", to: UInt32.self)
        watchdog = Watchdog(k, .groupedGEMM)
        self.configuration = configuration
    }

    /// Where tiles are not cut no flag is raised, and the first counts claims instead; see `TileClaims`.
    var claims: Pointer<UInt32> { flags }

    /// Leaves sums of the piece for the next block, and raises the flag. All multiplying threads call it.
    func store(_ k: KernelBuilder, _ piece: TileSchedule.Piece, _ values: [Variable<Float>]) {
        for (index, group) in Self.groups(values) {
            // They stay in the L2 until the next block wants them.
            k.storeVector(group.map(\.value), to: place(k, worker: piece.worker.number, index), cache: .evictLast)
        }
        k.barrier(.multiplying, threads: configuration.multiplyingThreads)
        k.if(k.isFirstThread) {
            k.store(k.constant(UInt32(1)), to: flags + piece.worker.number, order: .release, scope: .gpu)
        }
    }

    /// Fetches the sums that the block before left, and lowers its flag. All multiplying threads call it.
    func load(_ k: KernelBuilder, _ piece: TileSchedule.Piece, into values: [Variable<Float>]) {
        let before = piece.worker.number - 1
        k.if(k.isFirstThread) {
            _ = watchdog.wait(
                k,
                for: Watchdog.Subject(
                    expert: piece.tile.expert, block: piece.tile.block, expected: k.constant(UInt64(1)))
            ) {
                let flag = k.load(flags + before, order: .acquire, scope: .gpu)
                return (flag == 1, flag.wide)
            }
            k.store(k.constant(UInt32(0)), to: flags + before)
        }
        k.barrier(.multiplying, threads: configuration.multiplyingThreads)
        for (index, group) in Self.groups(values) {
            let loaded = k.loadVector(place(k, worker: before, index), count: 4)
            for (variable, value) in zip(group, loaded) { variable.value = value }
        }
        discard(k, worker: before, groups: values.count / 4)
    }

    /// Lets go of the sums that the warp has loaded, which otherwise the L2 would write to memory in the end. Neighbouring lanes load
    /// neighbouring vectors, so that a warp's are four lines of 128 bytes in each group.
    private func discard(_ k: KernelBuilder, worker: Value<UInt32>, groups: Int) {
        k.syncWarp()  // every lane has loaded
        let warp = sums(of: worker) + k.warpIndex * 128
        k.for(from: k.lane, to: k.constant(UInt32(groups * 4)), by: k.constant(UInt32(32))) { line in
            k.discard(warp + (line >> 2) * (configuration.multiplyingThreads * 4) + (line & 3) * 32)
        }
    }

    /// Neighbouring lanes hold neighbouring vectors.
    private func place(_ k: KernelBuilder, worker: Value<UInt32>, _ index: Int) -> Pointer<Float> {
        sums(of: worker) + k.threadIndex * 4 + index * configuration.multiplyingThreads * 4
    }

    private func sums(of worker: Value<UInt32>) -> Pointer<Float> {
        sums + worker.multipliedWide(by: configuration.blockM * configuration.tileN)
    }

    private static func groups(_ values: [Variable<Float>]) -> [(Int, [Variable<Float>])] {
        (0..<values.count / 4).map { ($0, Array(values[$0 * 4..<$0 * 4 + 4])) }
    }
}

extension NamedBarrier {
    /// Where the multiplying warps meet.
    static let multiplying = NamedBarrier(1)
}
