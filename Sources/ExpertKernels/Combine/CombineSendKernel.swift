import KernelLanguage

/// Sends the experts' results home: each warp takes a row at a time through its own stretch of shared memory.
///
/// With signals it runs beside the down GEMM on a few multiprocessors: rows are taken in the order in which the GEMM
/// finishes its blocks, and a row is touched only after its block's signal has reached the threshold.
///
/// - In: `rows` BF16 `[localExperts, maxRows, hidden]`; `counts`, `sourceInfo`, `choices`, `layoutRange` as the dispatch
///   receive left them; `peers` UInt64 `[ranks]`; `rank`; `signals` UInt32 `[localExperts, blocks]`; `threshold`.
/// - State: `sent` UInt32 `[localExperts, ranks]`, zero between steps; `step`; `statistics` UInt64 `[2]`: polls that
///   found their block not ready, and all waits.
public func combineSendKernel(_ configuration: CombineConfiguration) throws(VerificationError) -> Kernel {
    let window = configuration.window
    let shape = window.shape
    let warps = configuration.warps
    return try KernelBuilder.build(configuration.kernelName, threads: warps * 32) { k in
        let rows = k.pointerParameter("rows", to: BFloat16.self)
        let counts = k.pointerParameter("counts", to: UInt32.self)
        let sourceInfo = k.pointerParameter("sourceInfo", to: UInt64.self)
        let choices = k.pointerParameter("choices", to: UInt32.self)
        let layoutRange = k.pointerParameter("layoutRange", to: UInt64.self)
        let peers = Peers(
            table: k.pointerParameter("peers", to: UInt64.self), rank: k.parameter("rank", UInt32.self), window: window)
        let blocks = signalBlocks(shape, blockM: configuration.blockM)
        let signals = BlockSignals(k.pointerParameter("signals", to: UInt32.self), blocks: blocks)
        let threshold = k.parameter("threshold", UInt32.self)
        let sent = k.pointerParameter("sent", to: UInt32.self)
        let step = StepCounter(k.pointerParameter("step", to: UInt32.self)).current(k)
        let statistics = k.pointerParameter("statistics", to: UInt64.self)
        let watchdog = Watchdog(k, .combineSend)

        let staging = k.shared(BFloat16.self, count: warps * shape.hidden, alignment: 128)
        let barriers = k.memoryBarriers(count: warps)
        k.if(k.isFirstThread) {
            for warp in 0..<warps { k.initialise(MemoryBarrier(barriers + warp), arrivals: 1) }
            k.proxyFence(.barrierInit)
        }
        k.syncThreads()

        // One thread of each warp does the work: bulk copies move the rows.
        k.if(k.isFirstLane) {
            let warp = k.threadIndex >> 5
            let worker = k.blockIndex.multiply(warps, add: warp)
            let workers = k.gridSize * warps
            let firstExpert = peers.rank * shape.localExperts
            raiseEmptyFlags(k, peers, layoutRange, worker: worker, workers: workers, step: step)

            let mover = RowMover(
                staging: staging + warp * shape.hidden, barrier: MemoryBarrier(barriers + warp),
                bytes: shape.hidden * 2, moved: k.variable(k.constant(UInt32(0))))
            let unready = k.variable(k.constant(UInt32(0)))
            let waits = k.variable(k.constant(UInt32(0)))
            // After a failed receive the counts and sources say nothing; then nothing is sent.
            let failed = k.variable(k.load(watchdog.record, order: .relaxed, scope: .gpu) != 0)
            // Rows of all experts before the present one; a worker takes every `workers`-th row of all.
            let firstRow = k.variable(k.constant(UInt32(0)))
            let next = k.variable(worker)
            k.for(to: shape.localExperts) { expert in
                let end = firstRow.value + k.load(counts + expert)
                let first = firstRow.value
                k.loop {
                    let current = next.value
                    k.breakIf(current >= end || failed.value)
                    let row = current - first
                    if configuration.signals {
                        let block = row / configuration.blockM
                        let signal = signals.signal(expert: expert, block: block)
                        let (arrived, polls) = watchdog.wait(
                            k,
                            for: Watchdog.Subject(
                                expert: firstExpert + expert, block: block, expected: threshold.wide)
                        ) {
                            let seen = k.load(signal, order: .acquire, scope: .gpu)
                            return (seen >= threshold, seen.wide)
                        }
                        unready.add(polls)
                        waits.add(1)
                        failed.value = !arrived
                        // The row is read by a bulk copy: what the poll acquired must hold for it too.
                        k.proxyFence(.async)
                    }
                    k.if(!failed.value) {
                        let packedRow = expert.multiply(shape.maxRows, add: row)
                        let source = k.load(sourceInfo + packedRow).halves.high
                        let home =
                            peers.pointer(k, BFloat16.self, owner: source, offset: window.combineRows)
                            + k.load(choices + packedRow).multipliedWide(by: shape.hidden)
                        mover.move(k, rows + packedRow.multipliedWide(by: shape.hidden), to: home)
                        finishRow(
                            k, peers, sent: sent, layoutRange: layoutRange, expert: expert, source: source, step: step)
                    }
                    next.add(workers)
                }
                firstRow.value = end
            }
            if configuration.signals {
                k.atomicAdd(statistics, unready.value.wide, order: .relaxed, scope: .gpu)
                k.atomicAdd(statistics + 1, waits.value.wide, order: .relaxed, scope: .gpu)
            }
        }
    }
}

/// Ranks that sent nothing to an expert get its flag at once.
private func raiseEmptyFlags(
    _ k: KernelBuilder, _ peers: Peers, _ layoutRange: Pointer<UInt64>, worker: Value<UInt32>,
    workers: Value<UInt32>, step: Value<UInt32>
) {
    let shape = peers.window.shape
    let pairs = k.constant(UInt32(shape.localExperts * shape.ranks))
    k.for(from: worker, to: pairs, by: workers) { pair in
        k.if(k.load(layoutRange + pair).low == 0) {
            let expert = peers.rank.multiply(shape.localExperts, add: pair / shape.ranks)
            peers.raiseCombineFlag(k, owner: pair % shape.ranks, expert: expert, step: step)
        }
    }
}

/// Counts a row that has arrived; the last one of an expert and source rank raises that rank's flag.
private func finishRow(
    _ k: KernelBuilder, _ peers: Peers, sent: Pointer<UInt32>, layoutRange: Pointer<UInt64>, expert: Value<UInt32>,
    source: Value<UInt32>, step: Value<UInt32>
) {
    let shape = peers.window.shape
    let pair = expert.multiply(shape.ranks, add: source)
    let total = k.load(layoutRange + pair).low
    // Acquire and release: the last sender passes on what all the others wrote.
    let before = k.atomic(.add, sent + pair, k.constant(UInt32(1)), order: .acquireRelease, scope: .gpu)
    k.if(before + 1 == total) {
        k.store(k.constant(UInt32(0)), to: sent + pair, order: .relaxed, scope: .gpu)
        let global = peers.rank.multiply(shape.localExperts, add: expert)
        peers.raiseCombineFlag(k, owner: source, expert: global, step: step)
    }
}

/// Moves rows from global memory to global memory through one stretch of shared memory.
private struct RowMover {
    let staging: SharedPointer<BFloat16>
    let barrier: MemoryBarrier
    let bytes: Int
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
        k.bulkStoreWait(.completed)
    }
}
