import KernelLanguage

/// The producer of a thread block, one thread of a warp: fills stage after stage as they become empty.
struct ProducerWarp {
    private let ring: StageRing
    private let operands: TileOperands
    private let partials: SplitPartials
    private let arrivals: ArrivalsWarp?
    private let publisher: PublisherWarp?

    private var configuration: GEMMConfiguration { ring.configuration }

    init(
        _ ring: StageRing, _ operands: TileOperands, partials: SplitPartials, arrivals: ArrivalsWarp?,
        publisher: PublisherWarp?
    ) {
        self.ring = ring
        self.operands = operands
        self.partials = partials
        self.arrivals = arrivals
        self.publisher = publisher
    }

    /// Prefetches into the L2 the weights that the thread block is likely to load first: until counts are known and its
    /// threads have met at a barrier, the memory would be idle.
    func prefetchFirst(_ k: KernelBuilder, _ scheduler: TileScheduler) {
        let likely = scheduler.likelyFirst(k)
        operands.prefetchWeights(
            k, operands.weights(group: likely.tile * configuration.problem.kBlocks + likely.firstKBlock),
            kBlocks: likely.endKBlock - likely.firstKBlock, atMost: ring.pipeline.stagesPrefetchedFirst)
    }

    /// Loads the operands of all work tiles of the thread block.
    func run(_ k: KernelBuilder, _ scheduler: TileScheduler) {
        k.prefetch(operands.rows)
        // Rows may be loaded: the kernel that wrote them has ended, or those of the work tile have arrived.
        let ready = k.variable(configuration.role.isAlone && arrivals == nil)
        let position = ring.start(k)
        let block = scheduler.activeBlock(k)
        let pacing = LoadPacing(k, ring, activeBlocks: block.count)
        scheduler.forEachWorkTile(k, of: block) { workTile in
            let tile = workTile.tile
            let firstPassed = position.passed.value
            if let arrivals {
                // Weights of the first work tile are loaded before anything is waited for.
                ready.value = firstPassed > 0 && arrivals.have(k, workTile)
                k.if(ready.value) { k.proxyFence(.asyncGlobal) }
            }
            let needed = reserveStage(k, workTile, position, pacing, ready: ready.value)
            let begin = ring.mark(k, position)
            let fetchKBlock = fetchKBlock(k, workTile)
            let launchKBlock = launchKBlock(k, workTile)
            k.for(from: workTile.firstKBlock, to: workTile.endKBlock) { kBlock in
                if let launchKBlock { k.if(kBlock == launchKBlock) { launchNext(k) } }
                if let fetchKBlock { k.if(kBlock == fetchKBlock) { fetchNext(k, scheduler, after: workTile) } }
                let isWhole = needed.map { ready.value && !$0.areMissing.value } ?? ready.value
                let stage = nextStage(k, position, pacing, ready: isWhole)
                k.arrive(stage.full, expecting: operands.bytes(of: tile))
                operands.loadWeights(k, workTile, kBlock: kBlock, to: stage)
                // Once the ring is full of the work tile's weights, or the work tile has no more, all else is needed.
                let isFull =
                    position.passed.value == firstPassed + ring.pipeline.stages || kBlock + 1 == workTile.endKBlock
                if let needed { loadPartials(k, needed, of: tile, atLatest: isFull) }
                k.if(ready.value) {
                    operands.loadRows(k, tile, kBlock: kBlock, to: stage)
                } else: {
                    k.if(isFull) {
                        prefetchAhead(k, workTile, from: kBlock + 1)
                        awaitRows(k, workTile)
                        k.for(from: workTile.firstKBlock, to: kBlock + 1) { earlier in
                            operands.loadRows(k, tile, kBlock: earlier, to: ring.current(begin))
                            ring.advance(k, begin)
                        }
                        ready.value = k.constant(true)
                    }
                }
            }
            if let fetchKBlock {
                // A part of a tile may be short.
                if workTile.isPart {
                    k.if(fetchKBlock >= workTile.endKBlock) { fetchNext(k, scheduler, after: workTile) }
                }
            } else {
                fetchNext(k, scheduler, after: workTile)
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

    // MARK: Partials

    /// Partials that a second split goes on from.
    private struct NeededPartials {
        let slot: Value<UInt32>
        /// The stage that is reserved for them.
        let place: StageRing.Position
        /// Whether there is such a stage, and they have still to be loaded into it.
        let areMissing: Variable<Bool>
    }

    /// Reserves a stage for partials before those of a second split; nil where they never have one.
    private func reserveStage(
        _ k: KernelBuilder, _ workTile: TileScheduler.WorkTile, _ position: StageRing.Position, _ pacing: LoadPacing,
        ready: Condition
    ) -> NeededPartials? {
        guard let split = workTile.split, ring.pipeline.partialsFitStage else { return nil }
        let needed = NeededPartials(
            slot: split.slot, place: ring.mark(k, position), areMissing: k.variable(split.readsPartials))
        k.if(split.readsPartials) { _ = nextStage(k, position, pacing, ready: ready) }
        return needed
    }

    /// Loads partials if they are there; waits for them first if `isTime`.
    private func loadPartials(
        _ k: KernelBuilder, _ needed: NeededPartials, of tile: ExpertTiles.Tile, atLatest isTime: Condition
    ) {
        k.if(needed.areMissing.value) {
            k.if(isTime) { partials.awaitFlag(k, tile, slot: needed.slot) }
            k.if(isTime || partials.areThere(k, slot: needed.slot)) {
                partials.load(k, slot: needed.slot, to: ring.current(needed.place))
                needed.areMissing.value = k.constant(false)
            }
        }
    }

    // MARK: Work tiles

    /// The k-block at which the next kernel may start (`GEMMSchedule.kBlocksLeftAtLaunch`); it also starts when no work
    /// tile is left. In a first slice not before rows, and with them all earlier kernels, have been waited for: the
    /// next kernel may rely on that. A shorter slice leaves the start to the fetch behind it.
    private func launchKBlock(_ k: KernelBuilder, _ workTile: TileScheduler.WorkTile) -> Value<UInt32>? {
        guard configuration.role.isDependent, let isAmongLast = workTile.isAmongLast else { return nil }
        let left = configuration.schedule.kBlocksLeftAtLaunch
        let first = workTile.slice == nil ? workTile.firstKBlock : workTile.firstKBlock + ringOfFirst(k, workTile)
        let kBlock = (workTile.endKBlock.maximum(left) - left).maximum(first)
        return isAmongLast.select(kBlock, k.constant(UInt32.max))
    }

    /// The k-block at which the next work tile is fetched, if the work tile has as many; else, and where this is nil,
    /// it is fetched behind the work tile. Not before the rows of the thread block's first work tile have been waited
    /// for, so that launches before this one have ended.
    private func fetchKBlock(_ k: KernelBuilder, _ workTile: TileScheduler.WorkTile) -> Value<UInt32>? {
        let (stages, kBlocks) = (ring.pipeline.stages, configuration.problem.kBlocks)
        let left = configuration.schedule.kBlocksLeftAtFetch
        guard workTile.isPart else {
            let kBlock = max(stages, kBlocks - left)
            return kBlock < kBlocks ? k.constant(UInt32(kBlock)) : nil
        }
        return (workTile.firstKBlock + ringOfFirst(k, workTile)).maximum(workTile.endKBlock.maximum(left) - left)
    }

    /// k-blocks that fill the ring, if it is the thread block's first work tile; else none.
    private func ringOfFirst(_ k: KernelBuilder, _ workTile: TileScheduler.WorkTile) -> Value<UInt32> {
        (workTile.index == 0).select(k.constant(UInt32(ring.pipeline.stages)), k.constant(UInt32(0)))
    }

    /// Fetches the thread block's next work tile. If there is none, the next kernel may start. Where rows arrive, that
    /// one reads counts that the kernel before this one has written, which has ended by now.
    private func fetchNext(_ k: KernelBuilder, _ scheduler: TileScheduler, after workTile: TileScheduler.WorkTile) {
        publisher?.awaitRoom(k, for: workTile.index + 1)
        k.if(scheduler.fetchNext(k, after: workTile)) { launchNext(k) }
    }

    /// Lets the next kernel start, which relies on all kernels before this one having ended.
    private func launchNext(_ k: KernelBuilder) {
        if configuration.role.isBesideUnpack { k.waitForPrerequisites() }
        k.launchDependents()
    }

    // MARK: Rows

    /// Returns when rows of the work tile may be loaded.
    private func awaitRows(_ k: KernelBuilder, _ workTile: TileScheduler.WorkTile) {
        if configuration.role.isDependent, configuration.role.rowsAfter == nil, !configuration.role.isBesideUnpack {
            k.waitForPrerequisites()
        }
        if let arrivals {
            arrivals.await(k, workTile)
            k.proxyFence(.asyncGlobal)
        }
    }

    /// Prefetches weights of the work tile's k-blocks from `kBlock` on into the L2, so that the memory is not idle
    /// meanwhile.
    private func prefetchAhead(_ k: KernelBuilder, _ workTile: TileScheduler.WorkTile, from kBlock: Value<UInt32>) {
        let limit = ring.pipeline.stagesPrefetchedAhead
        guard limit > 0 else { return }
        operands.prefetchWeights(
            k, operands.weights(of: workTile.tile, kBlock: kBlock), kBlocks: workTile.endKBlock - kBlock, atMost: limit)
    }
}
