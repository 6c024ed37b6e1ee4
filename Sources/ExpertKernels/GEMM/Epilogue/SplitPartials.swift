import KernelLanguage

/// Partials of a split tile, passed through global memory from the thread block that sums them up to the one that goes
/// on from them, or adds them to its own. Those of a first split are stored from registers. The thread block of the
/// second loads them like weights, into a stage of its ring ahead of the split's own, if they fit one
/// (`GEMMPipeline.partialsFitStage`). Else, and those of slices, the consumer warps load them themselves.
struct SplitPartials {
    /// Float32 `[partialSlots, tile.n * tile.m]`, in the order of registers: of each split tile, fewer than the grid
    /// has thread blocks, or of slices, which reuse the slots in turn.
    private let partials: Pointer<Float>
    /// UInt32 `[partialFlags]`: the first counts fetched work tiles (`WorkTileQueue`). Then a flag for each slot: 1
    /// while partials of a first split wait in it, else 0; for slices see `Turn`.
    private let flags: Pointer<UInt32>
    private let tile: TileShape
    private let pipeline: GEMMPipeline
    let watchdog: Watchdog

    init(
        _ parameters: KernelParameterValues<SplitPartialParameters>, _ watchdog: Watchdog,
        _ configuration: GEMMConfiguration
    ) {
        (partials, flags) = (parameters.splitSums, parameters.splitFlags)
        self.watchdog = watchdog
        tile = configuration.tile
        pipeline = configuration.pipeline
    }

    /// The counter of fetched work tiles.
    var counter: Pointer<UInt32> { flags }

    /// Stores the sums of a first split for the thread block that has the second. All consumer threads call it.
    func store(_ k: KernelBuilder, slot: Value<UInt32>, _ sums: [Variable<Float>]) {
        for (index, vector) in Self.vectors(sums) {
            // They stay in the L2 until the other thread block reads them.
            k.storeVector(vector.map(\.value), to: partials(of: slot) + place(k, index), cache: .evictLast)
        }
    }

    /// Raises the flag of a first split's partials. One thread calls it, which knows that they have been stored.
    func raiseFlag(_ k: KernelBuilder, slot: Value<UInt32>) {
        k.store(1, to: flag(slot), order: .release(.gpu))
    }

    /// Reads the partials of a first split, from the ring at `position` if they fit a stage. All consumer threads call
    /// it.
    func read(
        _ k: KernelBuilder, _ tile: ExpertTiles.Tile, slot: Value<UInt32>, from ring: StageRing,
        _ position: StageRing.Position, into sums: [Variable<Float>]
    ) {
        if pipeline.partialsFitStage {
            let stage = ring.current(position)
            k.wait(stage.full, parity: stage.parity)
            let memory = stage.weights.cast(to: Float.self)
            for (index, vector) in Self.vectors(sums) {
                set(vector, k.loadVector(memory + place(k, index), count: 4))
            }
            ring.release(k, stage)
            ring.advance(k, position)
        } else {
            k.if(k.isFirstThread) {
                awaitFlag(k, tile, slot: slot)
                lowerFlag(k, slot: slot)
            }
            k.barrier(.consumers, threads: pipeline.consumerThreads)
            for (index, vector) in Self.vectors(sums) {
                set(vector, k.loadVector(partials(of: slot) + place(k, index), count: 4))
            }
            k.syncWarp()  // every lane has loaded what the warp discards
        }
        discard(k, slot)
    }

    // MARK: Slices

    /// The slot of a slice's sums, and the value of its flags when they are there. Slices reuse the slots in turn, so
    /// flags count twice for each: when sums are there, and when they have been read. The slice that had the slot
    /// before was fetched earlier, and so was the last slice that reads it.
    ///
    /// A thread of a last slice adds the sums of the threads with its number in the others, so sums pass from warp to
    /// warp, and each warp has a flag of its own: nobody waits for a whole thread block.
    private struct Turn {
        let slot: Value<UInt32>
        /// The flag of the calling warp.
        let flag: Pointer<UInt32>
        let full: Value<UInt32>

        init(_ k: KernelBuilder, _ partials: SplitPartials, _ sums: Value<UInt32>) {
            let slots = Self.slots(k)
            let turn = sums / slots
            slot = sums - turn * slots
            flag = partials.flag(slot.multiply(partials.pipeline.consumerWarps, add: k.warpIndex))
            full = turn * 2 + 1
        }

        static func slots(_ k: KernelBuilder) -> Value<UInt32> { k.gridSize + TileShape.mostSlices }
    }

    /// Stores the sums of a slice for the thread block that has the tile's last. All consumer threads call it.
    func store(
        _ k: KernelBuilder, _ tile: ExpertTiles.Tile, of slice: TileScheduler.Slice, _ sums: [Variable<Float>]
    ) {
        let turn = Turn(k, self, slice.sums)
        k.if(turn.full > 1) {
            k.if(k.isFirstLane) { awaitFlag(k, tile, turn.flag, turn.full - 1) }
            k.syncWarp()
        }
        store(k, slot: turn.slot, sums)
        k.syncWarp()  // every lane has stored
        k.if(k.isFirstLane) { k.store(turn.full, to: turn.flag, order: .release(.gpu)) }
    }

    /// Adds the sums of a tile's other slices to those of the last. All consumer threads call it.
    func addOthers(
        _ k: KernelBuilder, _ tile: ExpertTiles.Tile, of last: TileScheduler.Slice, to sums: [Variable<Float>]
    ) {
        let others = self.tile.slices - 1
        // A lane for each slice.
        let own = Turn(k, self, last.sums - others + k.lane.minimum(others - 1))
        k.if(k.lane < others) { awaitFlag(k, tile, own.flag, own.full) }
        k.syncWarp()  // all lanes rely on what each has seen
        let slices = (0..<others).map { partials(of: Turn(k, self, last.sums - others + $0).slot) }
        let vectors = slices.flatMap { slice in
            Self.vectors(sums).map { index, vector in (vector: vector, address: slice + place(k, index)) }
        }
        // Loads in flight together, as many as there are registers for.
        let atOnce = sums.count > 64 ? 4 : 8
        for first in stride(from: 0, to: vectors.count, by: atOnce) {
            let some = vectors[first..<min(first + atOnce, vectors.count)]
            let loaded = some.map { k.loadVector($0.address, count: 4) }
            for (some, values) in zip(some, loaded) {
                for (sum, value) in zip(some.vector, values) { sum.value = sum.value + value }
            }
        }
        k.syncWarp()  // every lane has loaded
        k.if(k.lane < others) {
            // The last turn leaves the flag at 0, as the next launch expects it.
            let isLast = last.sums - others + k.lane + Turn.slots(k) >= last.allSums(k)
            k.store(isLast.select(k.constant(UInt32(0)), own.full + 1), to: own.flag, order: .release(.gpu))
        }
    }

    // MARK: Flags

    /// Whether the partials of a first split are there. One thread asks.
    func areThere(_ k: KernelBuilder, slot: Value<UInt32>) -> Condition {
        k.load(flag(slot), order: .acquire(.gpu)) == 1
    }

    /// Waits for the partials of a first split. One thread calls it.
    func awaitFlag(_ k: KernelBuilder, _ tile: ExpertTiles.Tile, slot: Value<UInt32>) {
        awaitFlag(k, tile, flag(slot), k.constant(UInt32(1)))
    }

    private func awaitFlag(
        _ k: KernelBuilder, _ tile: ExpertTiles.Tile, _ flag: Pointer<UInt32>, _ expected: Value<UInt32>
    ) {
        let subject = Watchdog.Subject(
            kind: .splitSums, expert: tile.expert, place: tile.rowBlock, expected: expected.wide)
        _ = watchdog.wait(k, for: subject) {
            let flag = k.load(flag, order: .acquire(.gpu))
            return .init(flag == expected, seen: flag.wide)
        }
    }

    /// Loads the partials of a first split into a stage, and lowers the flag; for the producer, when they are there.
    func load(_ k: KernelBuilder, slot: Value<UInt32>, to stage: StageRing.Stage) {
        lowerFlag(k, slot: slot)
        // Passes on that the partials have been stored: consumers discard them, which must come after that too.
        k.arrive(stage.full, expecting: bytes)
        k.proxyFence(.asyncGlobal)
        k.bulkLoad(partials(of: slot), to: stage.weights, bytes: bytes, barrier: stage.full)
    }

    /// Bytes of the partials of a tile.
    private var bytes: Int { tile.partials * 4 }

    private func lowerFlag(_ k: KernelBuilder, slot: Value<UInt32>) { k.store(0, to: flag(slot)) }

    private func set(_ variables: [Variable<Float>], _ values: [Value<Float>]) {
        for (variable, value) in zip(variables, values) { variable.value = value }
    }

    /// Discards partials that the warp has read, which the L2 would else write to memory in the end. Neighbouring lanes
    /// have neighbouring vectors, so that a warp's are four lines in each round.
    private func discard(_ k: KernelBuilder, _ slot: Value<UInt32>) {
        let warp = partials(of: slot) + k.warpIndex * (Hopper.warpThreads * 4)
        let lines = bytes / Hopper.lineBytes / pipeline.consumerWarps
        k.for(from: k.lane, to: lines, by: Hopper.warpThreads) { line in
            k.discard(warp + (line >> 2) * (pipeline.consumerThreads * 4) + (line & 3) * (Hopper.lineBytes / 4))
        }
    }

    /// Offset of a thread's vector `index` in the partials of a tile: neighbouring lanes hold neighbouring ones.
    private func place(_ k: KernelBuilder, _ index: Int) -> Value<UInt32> {
        k.threadIndex * 4 + index * pipeline.consumerThreads * 4
    }

    /// The flag of a slot, behind the counter of work tiles.
    private func flag(_ slot: Value<UInt32>) -> Pointer<UInt32> { flags + slot + 1 }

    private func partials(of slot: Value<UInt32>) -> Pointer<Float> {
        partials + slot.multipliedWide(by: tile.partials)
    }

    /// The thread's sums, four at a time.
    private static func vectors(_ sums: [Variable<Float>]) -> [(Int, [Variable<Float>])] {
        (0..<sums.count / 4).map { ($0, Array(sums[$0 * 4..<$0 * 4 + 4])) }
    }
}
