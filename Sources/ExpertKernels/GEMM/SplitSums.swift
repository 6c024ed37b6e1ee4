import KernelLanguage

/// Sums of a tile that one block of the grid begins and another finishes, on their way through global memory.
struct SplitSums {
    /// Float32 `[gridSize, tileN * blockM]`, in the order of registers; of as many tiles as are cut, fewer than the grid has blocks.
    private let sums: Pointer<Float>
    /// UInt32 `[gridSize]`: the first counts claims (`TileClaims`); then for each tile that is cut 1 while its sums wait, else 0.
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

    /// Where claims are counted.
    var claims: Pointer<UInt32> { flags }

    /// Leaves sums of a head for the block that has the tail. All multiplying threads call it.
    func store(_ k: KernelBuilder, slot: Value<UInt32>, _ values: [Variable<Float>]) {
        for (index, group) in Self.groups(values) {
            // They stay in the L2 until the other block wants them.
            k.storeVector(group.map(\.value), to: place(k, slot, index), cache: .evictLast)
        }
    }

    /// One thread, which knows that the sums of a head have been stored: raises the flag.
    func raise(_ k: KernelBuilder, slot: Value<UInt32>) {
        k.store(k.constant(UInt32(1)), to: flag(slot), order: .release, scope: .gpu)
    }

    /// Fetches the sums that the head left, and lowers the flag. All multiplying threads call it.
    func load(_ k: KernelBuilder, _ piece: TileSchedule.Piece, slot: Value<UInt32>, into values: [Variable<Float>]) {
        k.if(k.isFirstThread) {
            _ = watchdog.wait(
                k,
                for: Watchdog.Subject(
                    expert: piece.tile.expert, block: piece.tile.block, expected: k.constant(UInt64(1)))
            ) {
                let flag = k.load(flag(slot), order: .acquire, scope: .gpu)
                return (flag == 1, flag.wide)
            }
            k.store(k.constant(UInt32(0)), to: flag(slot))
        }
        k.barrier(.multiplying, threads: configuration.multiplyingThreads)
        for (index, group) in Self.groups(values) {
            let loaded = k.loadVector(place(k, slot, index), count: 4)
            for (variable, value) in zip(group, loaded) { variable.value = value }
        }
        discard(k, slot, groups: values.count / 4)
    }

    /// Lets go of the sums that the warp has loaded, which otherwise the L2 would write to memory in the end. Neighbouring lanes load
    /// neighbouring vectors, so that a warp's are four lines of 128 bytes in each group.
    private func discard(_ k: KernelBuilder, _ slot: Value<UInt32>, groups: Int) {
        k.syncWarp()  // every lane has loaded
        let warp = sums(of: slot) + k.warpIndex * 128
        k.for(from: k.lane, to: k.constant(UInt32(groups * 4)), by: k.constant(UInt32(32))) { line in
            k.discard(warp + (line >> 2) * (configuration.multiplyingThreads * 4) + (line & 3) * 32)
        }
    }

    /// Neighbouring lanes hold neighbouring vectors.
    private func place(_ k: KernelBuilder, _ slot: Value<UInt32>, _ index: Int) -> Pointer<Float> {
        sums(of: slot) + k.threadIndex * 4 + index * configuration.multiplyingThreads * 4
    }

    /// Behind the word that counts claims.
    private func flag(_ slot: Value<UInt32>) -> Pointer<UInt32> { flags + slot + 1 }

    private func sums(of slot: Value<UInt32>) -> Pointer<Float> {
        sums + slot.multipliedWide(by: configuration.blockM * configuration.tileN)
    }

    private static func groups(_ values: [Variable<Float>]) -> [(Int, [Variable<Float>])] {
        (0..<values.count / 4).map { ($0, Array(values[$0 * 4..<$0 * 4 + 4])) }
    }
}

extension NamedBarrier {
    /// Where the multiplying warps meet.
    static let multiplying = NamedBarrier(1)
}
