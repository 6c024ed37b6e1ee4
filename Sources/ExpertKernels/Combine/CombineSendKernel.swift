import KernelLanguage

/// Parameters of the combine send.
package struct CombineSendParameters: KernelParameters {
    /// BF16 `[rankExperts, maxRows, paddedHidden]`: the experts' results.
    package var rows: MemoryParameter<BFloat16>
    /// UInt32 `[rankExperts]`: rows of each expert.
    package var counts: MemoryParameter<UInt32>
    /// The ranks; dispatch has filled `sourceInfo` and `arrivals` of this one's window.
    package var ranks: PeersParameters
    /// UInt32 `[rankExperts, rowBlocks]`: signals, to which the GEMM beside it adds; read with `signals` only.
    package var signals: MemoryParameter<UInt32>
    /// The number of adds after which a row block's signal is complete.
    package var threshold: ScalarParameter<UInt32>
    /// UInt64 `[2]`, added to with `signals`: polls that found a row block incomplete, and the number of waits.
    package var statistics: MemoryParameter<UInt64>
    /// 1 if `rows` are no longer needed once they have been sent, so that the L2 may drop their lines without writing
    /// them to memory; else 0.
    package var discards: ScalarParameter<UInt32>
    /// UInt32 `[StepCounter.words]`: the rank's step counter.
    package var step: MemoryParameter<UInt32>
    /// Fault record and time limit of its waits.
    package var watchdog: WatchdogParameters

    /// Parameters as given.
    package init(
        rows: MemoryParameter<BFloat16>, counts: MemoryParameter<UInt32>, ranks: PeersParameters,
        signals: MemoryParameter<UInt32>, threshold: Int, statistics: MemoryParameter<UInt64>, discards: Bool,
        step: MemoryParameter<UInt32>, watchdog: WatchdogParameters
    ) {
        self.rows = rows
        self.counts = counts
        self.ranks = ranks
        self.signals = signals
        self.threshold = ScalarParameter(UInt32(threshold))
        self.statistics = statistics
        self.discards = ScalarParameter(discards ? 1 : 0)
        self.step = step
        self.watchdog = watchdog
    }
}

/// Sends the experts' results home: each warp copies a row at a time through a buffer of its own in shared memory, and
/// then publishes it by a word of its own.
///
/// With signals it runs beside the down GEMM, on a few multiprocessors or on those that the GEMM has left. It takes
/// rows in the order in which the GEMM finishes row blocks, and reads a row only after its row block's signal has
/// reached the threshold.
///
/// Rows for ranks that a network reaches are put straight from `rows`: nobody may overwrite or discard them before the
/// dispatch send of the next step has flushed.
///
/// Takes `CombineSendParameters`, with a link `LinkParameters`, with masks `MaskParameters`, with a network
/// `NetworkParameters` and, modelled, `NetworkCardParameters`.
package func combineSendKernel(_ configuration: CombineConfiguration) throws(VerificationError) -> Kernel {
    let window = configuration.window
    let shape = window.shape
    let warps = configuration.warps
    return try KernelBuilder.build(configuration.kernelName, threads: warps * 32) { k in
        let parameters = k.parameters(CombineSendParameters.self)
        let links = PacedLink(k, window)
        let (rows, counts, threshold) = (parameters.rows, parameters.counts, parameters.threshold)
        let (statistics, discards) = (parameters.statistics, parameters.discards == 1)
        let peers = Peers(parameters.ranks, window)
        let blocks = signalBlocks(shape, blockM: configuration.blockM)
        let signals = BlockSignals(parameters.signals, blocks: blocks)
        let masks = RankMasks(k, window)
        let home = HomeRows(
            peers, links, step: StepCounter(parameters.step).current(k), masks: masks, repeats: configuration.repeats)
        let watchdog = Watchdog(parameters.watchdog, .combineSend, masks: masks)

        let staging = k.shared(BFloat16.self, count: warps * shape.paddedHidden, alignment: 128)
        let barriers = k.memoryBarriers(count: warps)
        let ends = ExpertEnds(k, experts: shape.rankExperts)
        k.if(k.isFirstThread) {
            for warp in 0..<warps { k.initialise(MemoryBarrier(barriers + warp), arrivals: 1) }
            k.proxyFence(.barrierInit)
        }
        k.if(k.warpIndex == warps - 1) { ends.initialise(k) { k.load(counts + $0) } }
        k.syncThreads()
        if !configuration.signals { k.waitForPrerequisites() }

        // One thread of each warp does the work: bulk copies move the rows.
        k.if(k.isFirstLane) {
            let warp = k.threadIndex >> 5
            let mover = RowMover(
                staging: staging + warp * shape.paddedHidden, barrier: MemoryBarrier(barriers + warp),
                bytes: shape.paddedHidden * 2, discards: discards, moved: k.variable(UInt32(0)))
            let unready = k.variable(UInt32(0))
            let waits = k.variable(UInt32(0))
            // After a failed dispatch, counts and sources are not valid, and nothing is sent.
            let failed = k.variable(k.load(watchdog.record, order: .relaxed(.gpu)) != 0)
            // Neighbouring rows go to different multiprocessors.
            let worker = warp * k.gridSize + k.blockIndex
            k.for(from: worker, to: ends.total(k), by: k.gridSize * warps) { number in
                k.breakIf(failed.value)
                let (expert, begin) = ends.find(k, number)
                let row = number - begin
                if configuration.signals {
                    k.span(.wait, (expert, row)) {
                        let block = row / configuration.blockM
                        let signal = signals.signal(expert: expert, block: block)
                        let wait = watchdog.wait(
                            k,
                            for: Watchdog.Subject(
                                kind: .block, expert: expert, place: block, expected: threshold.wide)
                        ) {
                            let seen = k.load(signal, order: .acquire(.gpu))
                            return .init(seen >= threshold, seen: seen.wide)
                        }
                        unready.add(wait.unreadyPolls)
                        waits.add(1)
                        failed.value = !wait.arrived
                    }
                    // A bulk copy reads the row, so what the poll acquired must hold for the async proxy too.
                    k.proxyFence(.asyncGlobal)
                }
                k.if(!failed.value) {
                    let place = expert.multiply(shape.maxRows, add: row)
                    k.span(.send, (expert, row)) {
                        let destination = home.destination(k, expert: expert, row: row)
                        let source = { rows + place.multipliedWide(by: shape.paddedHidden) }
                        let store = {
                            mover.move(k, source(), to: destination.row)
                            home.publish(k, destination)
                        }
                        let send = {
                            guard let network = home.network, let isNetworked = destination.isNetworked else {
                                return store()
                            }
                            k.if(isNetworked) {
                                put(k, network, home, mover, source(), to: destination)
                            } else: {
                                store()
                            }
                        }
                        if home.mayBeAbsent { k.if(destination.exists, then: send) } else { send() }
                    }
                }
            }
            if configuration.signals {
                k.atomicAdd(statistics, unready.value.wide, order: .relaxed(.gpu))
                k.atomicAdd(statistics + 1, waits.value.wide, order: .relaxed(.gpu))
            }
        }
        // With signals it runs beside the GEMM; kernels that wait for this one rely on the GEMM having
        // ended.
        if configuration.signals { k.waitForPrerequisites() }
    }
}

/// Puts a row home by the network; one thread calls it. Loopback moves it with bulk copies, as other rows are moved.
private func put(
    _ k: KernelBuilder, _ network: NetworkPeers, _ home: HomeRows, _ mover: RowMover, _ source: Pointer<BFloat16>,
    to destination: HomeRows.Destination
) {
    switch network.adapter {
    case .loopback:
        network.pace(k, bytes: mover.bytes, .result, at: home.landed(destination))
        mover.move(k, source, to: destination.row)
        k.atomicAdd(home.landed(destination), 1, order: .release(.system))
    case .engine:
        k.networkPut(
            source, to: destination.row, bytes: k.constant(UInt32(mover.bytes)),
            over: network.path(to: destination.rank), adding: (k.constant(UInt64(1)), home.landed(destination)))
    }
}

/// Moves rows from global memory to global memory through a buffer in shared memory.
private struct RowMover {
    let staging: SharedPointer<BFloat16>
    let barrier: MemoryBarrier
    let bytes: Int
    /// Whether the source row is no longer needed once it has been moved.
    let discards: Condition
    let moved: Variable<UInt32>

    /// Moves one row; when it returns, the row has been written.
    func move(_ k: KernelBuilder, _ source: Pointer<BFloat16>, to destination: Pointer<BFloat16>) {
        let size = k.constant(UInt32(bytes))
        k.arrive(barrier, expecting: size)
        k.bulkLoad(source, to: staging, bytes: size, barrier: barrier)
        k.wait(barrier, parity: moved.value & 1)
        moved.add(1)
        k.bulkStore(staging, to: destination, bytes: size)
        k.bulkStoreCommit()
        k.if(discards) {
            let (channels, lines) = (Op.discardedBytes / 2, bytes / Op.discardedBytes)
            k.for(to: lines) { line in
                k.discard(source + line * channels)
            }
        }
        k.bulkStoreWait(.completed)
    }
}
