import KernelLanguage

/// The loading thread of a block: fills stage after stage as they become empty.
struct TileLoader {
    private let ring: StageRing
    private let weights: Pointer<Float8E4M3>
    private let rows: TensorMapParameter
    private let rowScales: Pointer<Float>
    private let split: SplitSums
    private let arrivals: PieceArrivals?
    private let announcer: PieceAnnouncer?

    init(
        _ k: KernelBuilder, _ ring: StageRing, weights: Pointer<Float8E4M3>, rows: TensorMapParameter,
        rowScales: Pointer<Float>, split: SplitSums, arrivals: PieceArrivals?, announcer: PieceAnnouncer?
    ) {
        self.ring = ring
        self.weights = weights
        self.rows = rows
        self.rowScales = rowScales
        self.split = split
        self.arrivals = arrivals
        self.announcer = announcer
    }

    /// Fetches into the L2 what the block is likely to load first: until counts are known and the block has met, the memory would
    /// stand still.
    func fetchEarly(_ k: KernelBuilder, _ schedule: TileSchedule) {
        let configuration = ring.configuration
        let likely = schedule.likelyFirst(k)
        fetch(
            k, weights(group: likely.tile * configuration.steps + likely.first), steps: likely.end - likely.first,
            atMost: configuration.stagesEarly)
    }

    /// Loads everything that the block works on.
    func run(_ k: KernelBuilder, _ schedule: TileSchedule) {
        let configuration = ring.configuration
        k.prefetch(rows)
        // Rows may be loaded: the kernel that wrote them has ended, or those of the piece have arrived.
        let ready = k.variable(k.constant(!configuration.dependent && arrivals == nil))
        let position = ring.start(k)
        let worker = schedule.worker(k)
        let pacing = LoadPacing(k, ring, workers: worker.count)
        schedule.forEachPiece(k, of: worker) { piece in
            let firstPassed = position.passed.value
            if let arrivals {
                // Weights of the first piece are loaded before anything is waited for.
                ready.value = firstPassed > 0 && arrivals.have(k, piece)
                k.if(ready.value) { k.proxyFence(.asyncGlobal) }
            }
            let sums = reserveSums(k, piece, position, pacing, ready: ready.value)
            let begin = ring.mark(k, position)
            let claimStep = claimStep(k, piece)
            let launchStep = launchStep(k, piece)
            k.for(from: piece.firstStep, to: piece.endStep, by: k.constant(UInt32(1))) { step in
                if let launchStep { k.if(step == launchStep) { k.launchDependents() } }
                if let claimStep { k.if(step == claimStep) { claim(k, schedule, after: piece) } }
                let isWhole = sums.map { ready.value && !$0.isMissing.value } ?? ready.value
                let stage = nextStage(k, position, pacing, ready: isWhole)
                k.arrive(stage.full, expecting: bytes(of: piece.tile))
                loadWeights(k, piece.tile, step: step, to: stage)
                // Once the ring is full of the piece's weights, or the piece has no more, all else is needed.
                let isFull = position.passed.value == firstPassed + configuration.stages || step + 1 == piece.endStep
                if let sums { loadSums(k, sums, of: piece.tile, atLatest: isFull) }
                k.if(ready.value) {
                    loadRows(k, piece.tile, step: step, to: stage)
                } else: {
                    k.if(isFull) {
                        fetchAhead(k, piece, from: step + 1)
                        awaitRows(k, piece)
                        k.for(from: piece.firstStep, to: step + 1, by: k.constant(UInt32(1))) { earlier in
                            loadRows(k, piece.tile, step: earlier, to: ring.current(begin))
                            ring.advance(k, begin)
                        }
                        ready.value = k.constant(true)
                    }
                }
            }
            if let claimStep {
                // A piece that may be short.
                if piece.cut != nil { k.if(claimStep >= piece.endStep) { claim(k, schedule, after: piece) } }
            } else {
                claim(k, schedule, after: piece)
            }
        }
        // Whoever waits for this kernel may rely on those before it having ended, also where there was nothing to load.
        k.waitForPrerequisites()
    }

    /// The stage at `position` when its memory is free again.
    private func nextStage(
        _ k: KernelBuilder, _ position: StageRing.Position, _ pacing: LoadPacing, ready: Condition
    ) -> StageRing.Stage {
        let passed = position.passed.value
        let stage = ring.current(position)
        ring.advance(k, position)
        // A fresh mbarrier counts the phase before its first as complete: the ring starts empty.
        k.wait(stage.empty, parity: stage.parity ^ 1)
        pacing.await(k, passed: passed, ready: ready)
        return stage
    }

    /// Sums that a tail goes on from.
    private struct TailSums {
        let slot: Value<UInt32>
        /// The stage in which they are to be.
        let place: StageRing.Position
        /// Whether there is such a stage, and they have still to be loaded into it.
        let isMissing: Variable<Bool>
    }

    /// Sees to it that a tail's sums have a stage before its own; nil where that is never so.
    private func reserveSums(
        _ k: KernelBuilder, _ piece: TileSchedule.Piece, _ position: StageRing.Position, _ pacing: LoadPacing,
        ready: Condition
    ) -> TailSums? {
        guard let cut = piece.cut, ring.configuration.sumsFitStage else { return nil }
        let sums = TailSums(slot: cut.slot, place: ring.mark(k, position), isMissing: k.variable(cut.isTail))
        k.if(cut.isTail) { _ = nextStage(k, position, pacing, ready: ready) }
        return sums
    }

    /// Loads a tail's sums if they are there, and else waits for them if it is time.
    private func loadSums(
        _ k: KernelBuilder, _ sums: TailSums, of tile: ExpertTiles.Tile, atLatest isTime: Condition
    ) {
        k.if(sums.isMissing.value) {
            k.if(isTime) { split.awaitHead(k, tile, slot: sums.slot) }
            k.if(isTime || split.areThere(k, slot: sums.slot)) {
                split.load(k, slot: sums.slot, to: ring.current(sums.place))
                sums.isMissing.value = k.constant(false)
            }
        }
    }

    /// The step at which the next kernel may start: early enough that its blocks are there when multiprocessors come free, and not
    /// earlier, as they hold multiprocessors while they wait which others could use. A block that claims in vain lets it start as well.
    private func launchStep(_ k: KernelBuilder, _ piece: TileSchedule.Piece) -> Value<UInt32>? {
        guard ring.configuration.dependent, let cut = piece.cut else { return nil }
        let early = k.constant(UInt32(8))
        let step = (piece.endStep.maximum(early) - early).maximum(piece.firstStep)
        return cut.isAmongLast.select(step, k.constant(UInt32.max))
    }

    /// The step of the piece at which the next one is claimed, if the piece has as many: else that is done behind it, and always where
    /// this is nil. Not before the rows of the block's first piece have been waited for, so that launches before this one have ended.
    private func claimStep(_ k: KernelBuilder, _ piece: TileSchedule.Piece) -> Value<UInt32>? {
        let configuration = ring.configuration
        let left = configuration.stepsLeftAtClaim
        guard piece.cut != nil else {
            let step = max(configuration.stages, configuration.steps - left)
            return step < configuration.steps ? k.constant(UInt32(step)) : nil
        }
        let (zero, early) = (k.constant(UInt32(0)), k.constant(UInt32(left)))
        let stages = (piece.number == 0).select(k.constant(UInt32(configuration.stages)), zero)
        return (piece.firstStep + stages).maximum(piece.endStep.maximum(early) - early)
    }

    /// Claims the block's next tile. If there is none, the next kernel may start. Where rows arrive it reads counts that the kernel
    /// before this one has written, which has ended by now.
    private func claim(_ k: KernelBuilder, _ schedule: TileSchedule, after piece: TileSchedule.Piece) {
        announcer?.awaitRoom(k, for: piece.number + 1)
        k.if(schedule.claim(k, after: piece)) { k.launchDependents() }
    }

    /// Returns when rows of the piece may be loaded.
    private func awaitRows(_ k: KernelBuilder, _ piece: TileSchedule.Piece) {
        if ring.configuration.dependent && ring.configuration.follows == nil { k.waitForPrerequisites() }
        if let arrivals {
            arrivals.await(k, piece)
            k.proxyFence(.asyncGlobal)
        }
    }

    /// Fetches weights of the piece's steps from `step` on into the L2.
    private func fetchAhead(_ k: KernelBuilder, _ piece: TileSchedule.Piece, from step: Value<UInt32>) {
        let configuration = ring.configuration
        guard configuration.stagesAhead > 0 else { return }
        fetch(
            k, weights(of: piece.tile, step: step), steps: piece.endStep - step, atMost: configuration.stagesAhead)
    }

    /// Fetches a tile's weights into the L2, of as many steps as there are and no more than `limit`.
    private func fetch(
        _ k: KernelBuilder, _ start: @autoclosure () -> Pointer<Float8E4M3>, steps: Value<UInt32>, atMost limit: Int
    ) {
        let steps = steps.minimum(k.constant(UInt32(limit)))
        k.if(steps > 0) { k.bulkPrefetch(start(), bytes: steps * ring.configuration.weightBytes) }
    }

    /// Bytes that are loaded into a stage.
    private func bytes(of tile: ExpertTiles.Tile) -> Value<UInt32> {
        let (configuration, box) = (ring.configuration, GEMMConfiguration.rowBox)
        let boxes = (tile.rows + (box - 1)) / box
        return boxes * (box * GEMMConfiguration.blockK) + (configuration.weightBytes + configuration.scaleBytes)
    }

    private func loadWeights(
        _ k: KernelBuilder, _ tile: ExpertTiles.Tile, step: Value<UInt32>, to stage: StageRing.Stage
    ) {
        func load(_ hint: CacheHint) {
            k.bulkLoad(
                weights(of: tile, step: step), to: stage.weights,
                bytes: k.constant(UInt32(ring.configuration.weightBytes)), barrier: stage.full, cache: hint)
        }
        // Those that other blocks of the expert's rows are about to read should still be in the L2 then.
        k.if(tile.blocks > 1, then: { load(.normal) }, else: { load(.evictFirst) })
    }

    /// Where a step's weights begin; those of a tile's next step come right behind them.
    private func weights(of tile: ExpertTiles.Tile, step: Value<UInt32>) -> Pointer<Float8E4M3> {
        let configuration = ring.configuration
        return weights(
            group: tile.expert.multiply(configuration.tilesAcross, add: tile.column) * configuration.steps + step)
    }

    private func weights(group: Value<UInt32>) -> Pointer<Float8E4M3> {
        weights + group.multipliedWide(by: ring.configuration.weightBytes)
    }

    private func loadRows(
        _ k: KernelBuilder, _ tile: ExpertTiles.Tile, step: Value<UInt32>, to stage: StageRing.Stage
    ) {
        let configuration = ring.configuration
        // Where there are no rows, what lies in their place is multiplied as well, and nothing of it is stored.
        k.for(from: k.constant(UInt32(0)), to: tile.rows, by: k.constant(UInt32(GEMMConfiguration.rowBox))) { first in
            k.tensorLoad(
                rows,
                at: [
                    step * GEMMConfiguration.blockK, tile.block.multiply(configuration.blockM, add: first), tile.expert,
                ],
                to: stage.rows + first * GEMMConfiguration.blockK, barrier: stage.full,
                cache: configuration.keepsRows ? .evictLast : .normal)
        }
        let group = tile.expert.multiply(configuration.steps, add: step)
        let scales = rowScales + tile.block * configuration.blockM
        k.bulkLoad(
            scales + group.multipliedWide(by: configuration.scaleRows), to: stage.scales,
            bytes: k.constant(UInt32(configuration.scaleBytes)), barrier: stage.full)
    }
}
