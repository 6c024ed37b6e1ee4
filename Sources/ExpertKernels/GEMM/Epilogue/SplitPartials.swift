import KernelLanguage

/// Partials of a split tile that one thread block of the grid sums up and another goes on from, on their way through
/// global memory. Who has the first split stores them from registers. Who has the second loads them like weights, into
/// a stage of its ring before those of the split, if they fit one (`GEMMPipeline.partialsFitStage`): they are there
/// when they are wanted. Else the consumer warps load them themselves.
struct SplitPartials {
    /// Float32 `[gridSize, tile.n * tile.m]`, in the order of registers; of as many tiles as are split, fewer than the
    /// grid has thread blocks.
    private let partials: Pointer<Float>
    /// UInt32 `[gridSize]`: the first counts fetched work tiles (`WorkTileQueue`); then for each tile that is split 1
    /// while its partials wait, else 0.
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

    /// Where fetched work tiles are counted.
    var counter: Pointer<UInt32> { flags }

    /// Leaves the sums of a first split for the thread block that has the second. All consumer threads call it.
    func store(_ k: KernelBuilder, slot: Value<UInt32>, _ sums: [Variable<Float>]) {
        for (index, vector) in Self.vectors(sums) {
            // They stay in the L2 until the other thread block wants them.
            k.storeVector(vector.map(\.value), to: partials(of: slot) + place(k, index), cache: .evictLast)
        }
    }

    /// One thread, which knows that the partials have been stored: raises their flag.
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

    /// Whether the partials of a first split are there. One thread asks.
    func areThere(_ k: KernelBuilder, slot: Value<UInt32>) -> Condition {
        k.load(flag(slot), order: .acquire(.gpu)) == 1
    }

    /// Waits for the partials of a first split. One thread calls it.
    func awaitFlag(_ k: KernelBuilder, _ tile: ExpertTiles.Tile, slot: Value<UInt32>) {
        let subject = Watchdog.Subject(
            kind: .splitSums, expert: tile.expert, place: tile.rowBlock, expected: k.constant(UInt64(1)))
        _ = watchdog.wait(k, for: subject) {
            let flag = k.load(flag(slot), order: .acquire(.gpu))
            return .init(flag == 1, seen: flag.wide)
        }
    }

    /// Producer, when the partials of a first split are there: loads them into a stage, and lowers the flag.
    func load(_ k: KernelBuilder, slot: Value<UInt32>, to stage: StageRing.Stage) {
        lowerFlag(k, slot: slot)
        // Passes on that the partials have been stored, as discarding them comes after that as well.
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

    /// Lets go of partials that the warp has, which otherwise the L2 would write to memory in the end. Neighbouring
    /// lanes have neighbouring vectors, so that a warp's are four lines in each round.
    private func discard(_ k: KernelBuilder, _ slot: Value<UInt32>) {
        let warp = partials(of: slot) + k.warpIndex * (Hopper.warpThreads * 4)
        let lines = bytes / Hopper.lineBytes / pipeline.consumerWarps
        k.for(from: k.lane, to: lines, by: Hopper.warpThreads) { line in
            k.discard(warp + (line >> 2) * (pipeline.consumerThreads * 4) + (line & 3) * (Hopper.lineBytes / 4))
        }
    }

    /// Where among the partials of a tile a thread's vector `index` is: neighbouring lanes hold neighbouring ones.
    private func place(_ k: KernelBuilder, _ index: Int) -> Value<UInt32> {
        k.threadIndex * 4 + index * pipeline.consumerThreads * 4
    }

    /// Behind the word that counts work tiles.
    private func flag(_ slot: Value<UInt32>) -> Pointer<UInt32> { flags + slot + 1 }

    private func partials(of slot: Value<UInt32>) -> Pointer<Float> {
        partials + slot.multipliedWide(by: tile.partials)
    }

    /// The thread's sums, four at a time.
    private static func vectors(_ sums: [Variable<Float>]) -> [(Int, [Variable<Float>])] {
        (0..<sums.count / 4).map { ($0, Array(sums[$0 * 4..<$0 * 4 + 4])) }
    }
}
