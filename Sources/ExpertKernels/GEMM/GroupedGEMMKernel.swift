import KernelLanguage

/// Masked grouped FP8 GEMM on tensor cores, with partial sums scaled and added in Float32 every 128 channels.
///
/// A persistent grid of any size. The order of additions depends on `k` and its slices alone, so the same row gives the
/// same bits whatever the grid, the height of a tile and the other rows. Takes `GEMMParameters`, and by the role
/// `ArrivingParameters`, `HomeParameters` and `LinkParameters`, `RowSignalParameters`, with masks `MaskParameters`, and
/// with scales of channels `ChannelScaleParameters`.
package func groupedGEMMKernel(_ configuration: GEMMConfiguration) throws(VerificationError) -> Kernel {
    precondition(configuration.fitsOutput, "SwiGLU needs tiles of \(TileShape.maxN) channels")
    precondition(configuration.fitsSlices, "slices of K need two k-blocks each")
    let pipeline = configuration.pipeline
    return try KernelBuilder.build(configuration.kernelName, threads: pipeline.threads) { k in
        let kernel = GroupedGEMM(k, configuration)
        k.if(kernel.isProducer && k.elected) { kernel.producer.prefetchFirst(k, kernel.scheduler) }
        k.if(k.isFirstThread) {
            kernel.initialise(k)
            k.proxyFence(.barrierInit)
        }
        k.if(kernel.isProducer) { kernel.tiles.initialise(k) }
        k.syncThreads()

        k.if(k.warpIndex >= WarpRole.producer.warp(pipeline)) {
            k.decreaseRegisters(to: pipeline.producerRegisters)
            k.if(kernel.isProducer) {
                k.if(k.elected) { kernel.producer.run(k, kernel.scheduler) }
            } else: {
                if let arrivals = kernel.arrivals {
                    k.if(k.isWarp(.arrivals, of: pipeline)) { arrivals.run(k, kernel.scheduler) }
                }
                if let publisher = kernel.publisher {
                    k.if(k.isWarp(.publisher, of: pipeline)) { publisher.run(k, kernel.scheduler) }
                }
            }
        } else: {
            k.increaseRegisters(to: pipeline.consumerRegisters)
            kernel.consume(k)
            // Ends with an instruction, as `ProducerWarp.run` does: else ptxas does not see that one thread loads, and
            // moves the operands of every load from registers of each lane to uniform ones, which takes 2 % longer with
            // 128 rows.
            k.syncWarp()
        }
    }
}

/// The parts of a grouped GEMM kernel, each for a role.
private struct GroupedGEMM {
    let configuration: GEMMConfiguration
    let ring: StageRing
    let tiles: ExpertTiles
    let scheduler: TileScheduler
    let isProducer: Condition
    let producer: ProducerWarp
    let arrivals: ArrivalsWarp?
    let publisher: PublisherWarp?
    let mainloop: ConsumerMainloop
    let partials: SplitPartials
    let channelScales: ChannelScales?
    let bfloat16: BFloat16Epilogue
    let swiGLU: SwiGLUEpilogue?

    /// Declares the parameters and lays out shared memory.
    init(_ k: KernelBuilder, _ configuration: GEMMConfiguration) {
        let role = configuration.role
        let parameters = k.parameters(GEMMParameters.self)
        let signals = BlockSignals(parameters.signals, blocks: configuration.rowBlocks)
        let masks = configuration.masks ? RankMasks(k, reaching: role.home) : nil
        let partials = SplitPartials(
            parameters.partials, Watchdog(parameters.watchdog, role.phase, masks: masks), configuration)

        ring = StageRing(k, configuration)
        let arriving = role.arriving.map {
            ArrivingRows(k, k.parameters(ArrivingParameters.self), $0, watchdog: partials.watchdog)
        }
        tiles = ExpertTiles(k, configuration, counts: arriving.map { .arriving($0) } ?? .given(parameters.counts))
        let home = role.home.map { window in
            let parameters = k.parameters(HomeParameters.self)
            return HomeRows(
                Peers(parameters.ranks, window), PacedLink(k, window), step: StepCounter(parameters.step).current(k),
                masks: masks)
        }
        var source = arriving.map { ArrivalsWarp.Source.ranks($0) }
        if let threshold = role.rowsAfter {
            let rowSignals = k.parameters(RowSignalParameters.self).rowSignals
            source = .rowBlocks(
                BlockSignals(rowSignals, blocks: configuration.rowBlocks), threshold: threshold, partials.watchdog)
        }
        arrivals = source.map { ArrivalsWarp(k, $0, configuration) }
        publisher =
            configuration.publishes
            ? PublisherWarp(
                k, configuration, signals: signals, partials: partials, arrivals: arrivals, home: home) : nil
        let operands = TileOperands(
            packedWeights: parameters.weights, rows: parameters.rows, rowScales: parameters.rowScales,
            configuration: configuration)
        producer = ProducerWarp(ring, operands, partials: partials, arrivals: arrivals, publisher: publisher)
        mainloop = ConsumerMainloop(ring: ring, weightScales: parameters.weightScales)
        channelScales =
            configuration.channelScales
            ? ChannelScales(k.parameters(ChannelScaleParameters.self).channelScales, configuration) : nil
        bfloat16 = BFloat16Epilogue(k, ring, output: parameters.output, home: home)
        swiGLU =
            role.output == .swiGLU
            ? SwiGLUEpilogue(k, ring, output: parameters.output, scales: parameters.outputScales) : nil
        scheduler = TileScheduler(k, tiles: tiles, counter: partials.counter)
        isProducer = k.isWarp(.producer, of: configuration.pipeline)
        self.partials = partials
        self.configuration = configuration
    }

    /// One thread calls it, and a proxy fence and a barrier of the thread block follow.
    func initialise(_ k: KernelBuilder) {
        ring.initialise(k)
        scheduler.initialise(k)
        arrivals?.initialise(k)
        publisher?.initialise(k)
    }

    /// The consumer warps: work tile after work tile.
    func consume(_ k: KernelBuilder) {
        let position = ring.start(k)
        scheduler.forEachWorkTile(k) { workTile in
            k.span(.work, where: k.isFirstThread, (workTile.tile.expert, workTile.tile.column)) {
                let sums = mainloop.makeSums(k)
                // When rows have arrived, so have their homes, which dispatch published.
                if configuration.role.home != nil { arrivals?.await(k, workTile) }
                bfloat16.prepare(k, workTile)
                let scales = channelScales?.load(k, workTile.tile)
                if let split = workTile.split {
                    k.if(split.readsPartials) {
                        partials.read(k, workTile.tile, slot: split.slot, from: ring, position, into: sums)
                    }
                }
                mainloop.multiply(k, workTile, position, into: sums)
                if let slice = workTile.slice {
                    k.if(slice.isLast) { partials.addOthers(k, workTile.tile, of: slice, to: sums) }
                }
                store(k, sums, scales, workTile, ring.current(position))
            }
            publisher?.noteStored(k)
            ring.advance(k, position)
        }
    }

    /// Stores the partials of a first split, or of a slice that is not the last, without scales of channels; else
    /// stores the finished tile. `last` is the stage of the last k-block.
    private func store(
        _ k: KernelBuilder, _ sums: [Variable<Float>], _ scales: [Value<Float>]?, _ workTile: TileScheduler.WorkTile,
        _ last: StageRing.Stage
    ) {
        if let slice = workTile.slice {
            return k.if(!slice.isLast) {
                ring.release(k, last)
                partials.store(k, workTile.tile, of: slice, sums)
            } else: {
                storeTile(k, sums, scales, workTile, last)
            }
        }
        guard let split = workTile.split else { return storeTile(k, sums, scales, workTile, last) }
        k.if(split.writesPartials) {
            ring.release(k, last)
            partials.store(k, slot: split.slot, sums)
        } else: {
            storeTile(k, sums, scales, workTile, last)
        }
    }

    private func storeTile(
        _ k: KernelBuilder, _ sums: [Variable<Float>], _ scales: [Value<Float>]?, _ workTile: TileScheduler.WorkTile,
        _ last: StageRing.Stage
    ) {
        if let channelScales, let scales { channelScales.multiply(k, sums, by: scales) }
        if let swiGLU {
            swiGLU.store(k, sums, workTile.tile, last)
        } else {
            bfloat16.store(k, sums, workTile, last)
        }
    }
}
