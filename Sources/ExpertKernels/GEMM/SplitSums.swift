import KernelLanguage

/// Sums of a tile that one block of the grid begins and another finishes, on their way through global memory. Who has the head stores
/// them from registers. Who has the tail loads them like weights, into a stage of its ring before those of the tail, if they fit one
/// (`GEMMConfiguration.sumsFitStage`): they are there when they are wanted. Else the multiplying threads load them themselves.
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
        watchdog = Watchdog(k, configuration.phase)
        self.configuration = configuration
    }

    /// Where claims are counted.
    var claims: Pointer<UInt32> { flags }

    /// Leaves sums of a head for the block that has the tail. All multiplying threads call it.
    func store(_ k: KernelBuilder, slot: Value<UInt32>, _ values: [Variable<Float>]) {
        for (index, group) in Self.groups(values) {
            // They stay in the L2 until the other block wants them.
            k.storeVector(group.map(\.value), to: sums(of: slot) + place(k, index), cache: .evictLast)
        }
    }

    /// One thread, which knows that the sums of a head have been stored: raises the flag.
    func raise(_ k: KernelBuilder, slot: Value<UInt32>) {
        k.store(k.constant(UInt32(1)), to: flag(slot), order: .release(.gpu))
    }

    /// Takes the sums of a head, from the ring at `position` if they fit a stage. All multiplying threads call it.
    func take(
        _ k: KernelBuilder, _ tile: ExpertTiles.Tile, slot: Value<UInt32>, from ring: StageRing,
        _ position: StageRing.Position, into values: [Variable<Float>]
    ) {
        if configuration.sumsFitStage {
            let stage = ring.current(position)
            k.wait(stage.full, parity: stage.parity)
            let memory = stage.weights.cast(to: Float.self)
            for (index, group) in Self.groups(values) {
                set(group, k.loadVector(memory + place(k, index), count: 4))
            }
            ring.release(k, stage)
            ring.advance(k, position)
        } else {
            k.if(k.isFirstThread) {
                awaitHead(k, tile, slot: slot)
                lowerFlag(k, slot: slot)
            }
            k.barrier(.multiplying, threads: configuration.multiplyingThreads)
            for (index, group) in Self.groups(values) {
                set(group, k.loadVector(sums(of: slot) + place(k, index), count: 4))
            }
            k.syncWarp()  // every lane has loaded what the warp discards
        }
        discard(k, slot)
    }

    /// Whether the sums of a head are there. One thread asks.
    func areThere(_ k: KernelBuilder, slot: Value<UInt32>) -> Condition {
        k.load(flag(slot), order: .acquire(.gpu)) == 1
    }

    /// Waits for the sums of a head. One thread calls it.
    func awaitHead(_ k: KernelBuilder, _ tile: ExpertTiles.Tile, slot: Value<UInt32>) {
        let subject = Watchdog.Subject(
            kind: .splitSums, expert: tile.expert, place: tile.block, expected: k.constant(UInt64(1)))
        _ = watchdog.wait(k, for: subject) {
            let flag = k.load(flag(slot), order: .acquire(.gpu))
            return .init(flag == 1, seen: flag.wide)
        }
    }

    /// Loading thread, when the sums of a head are there: loads them into a stage, and lowers the flag.
    func load(_ k: KernelBuilder, slot: Value<UInt32>, to stage: StageRing.Stage) {
        lowerFlag(k, slot: slot)
        let bytes = k.constant(UInt32(bytesOfTile))
        // Passes on that the sums have been stored, as discarding them comes after that as well.
        k.arrive(stage.full, expecting: bytes)
        k.proxyFence(.asyncGlobal)
        k.bulkLoad(sums(of: slot), to: stage.weights, bytes: bytes, barrier: stage.full)
    }

    /// Bytes of the sums of a tile.
    private var bytesOfTile: Int { configuration.blockM * configuration.tileN * 4 }

    private func lowerFlag(_ k: KernelBuilder, slot: Value<UInt32>) {
        k.store(k.constant(UInt32(0)), to: flag(slot))
    }

    private func set(_ variables: [Variable<Float>], _ values: [Value<Float>]) {
        for (variable, value) in zip(variables, values) { variable.value = value }
    }

    /// Lets go of sums that the warp has, which otherwise the L2 would write to memory in the end. Neighbouring lanes have neighbouring
    /// vectors, so that a warp's are four lines of 128 bytes in each group.
    private func discard(_ k: KernelBuilder, _ slot: Value<UInt32>) {
        let warp = sums(of: slot) + k.warpIndex * 128
        let lines = bytesOfTile / 128 / configuration.multiplyingWarps
        k.for(from: k.lane, to: k.constant(UInt32(lines)), by: k.constant(UInt32(32))) { line in
            k.discard(warp + (line >> 2) * (configuration.multiplyingThreads * 4) + (line & 3) * 32)
        }
    }

    /// Where among the sums of a tile a thread's vector of a group is: neighbouring lanes hold neighbouring ones.
    private func place(_ k: KernelBuilder, _ index: Int) -> Value<UInt32> {
        k.threadIndex * 4 + index * configuration.multiplyingThreads * 4
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
