/// The scheduler: which warp runs, for how long, and what time it is.
extension SimulatedMachine {
    /// Runs the whole machine until all work queued in the stream is complete, or its rank is halted for ever.
    ///
    /// - Throws: What stopped the machine; `stopped` if it had stopped before.
    public func synchronize(_ stream: StreamID) throws(SimulationError) {
        try requireWorking()
        let state = try find(stream)
        try run { state.isOver }
        judge?.hostWaited(for: state)
    }

    /// Runs the whole machine until all streams and the network are empty, but for what ranks have under way that are
    /// halted for ever.
    ///
    /// - Throws: What stopped the machine; `stopped` if it had stopped before.
    public func synchronizeAll() throws(SimulationError) {
        try requireWorking()
        try run { self.streams.allSatisfy(\.isOver) && (self.network.isIdle || self.isNetworkHeld) }
        judge?.hostWaitedForAll()
    }

    /// Whether all that the network has under way waits for ranks that are halted for ever.
    private var isNetworkHeld: Bool { events.workCount == 0 && work.isEmpty && nextHaltEnd == .max }

    private func run(until isDone: () -> Bool) throws(SimulationError) {
        guard !isRunning else { throw .invalidArgument("work of the host in a stream cannot synchronize") }
        isRunning = true
        defer { isRunning = false }
        if followsHost {
            counters.pointee.clock = HostClock.now
            meetHost()
        }
        defer { if followsHost { meetHost() } }
        while true {
            if hasHalts { followHalts() }
            if streamsChanged { advanceStreams() }
            completeDueEvents()
            if dispatchNeeded { dispatchBlocks() }
            if let failure { throw failure }
            if isDone() { return }
            if streamsChanged || dispatchNeeded { continue }
            if followsHost { restWhenPolling() } else { hurryWhenStuck() }
            if runnable.isEmpty, work.isEmpty {
                if !skipIdleTime() {
                    let deadlock = SimulationError.deadlock(diagnose())
                    failure = deadlock
                    throw deadlock
                }
                continue
            }
            if let judge { runAgent(judge) } else { runQuantum() }
        }
    }

    /// Picks a warp and runs it for a while.
    private func runQuantum() {
        let warp = runnable[random.below(runnable.count)]
        let core = warp.core
        let steps = core.pointee.steps
        // Mostly long runs for speed, with short ones among them for unlikely orders.
        let choice = Int(truncatingIfNeeded: random.next() >> 32)
        var quantum = choice & 7 == 0 ? 1 : choice & 7 == 1 ? 2 + (choice >> 3) & 7 : 16 + (choice >> 3) & 63
        quantum = Int(min(UInt64(quantum), nextHaltStart &- counters.pointee.instructions))
        var executed = 0
        var outcome = StepOutcome.proceed
        while outcome == StepOutcome.proceed, executed < quantum {
            let step = steps + Int(core.pointee.programCounter)
            core.pointee.programCounter &+= 1
            outcome = step.pointee.handler(core, step)
            executed &+= 1
        }
        counters.pointee.instructions &+= UInt64(executed)
        counters.pointee.switches &+= 1
        advanceClock(instructions: UInt64(executed))
        if outcome == StepOutcome.finished { finish(warp) }
        if let limit = configuration.instructionLimit, counters.pointee.instructions > limit {
            fail(.instructionLimit(limit))
        }
    }

    func advanceClock(instructions: UInt64) {
        if followsHost { return followHostClock(instructions: instructions) }
        uncountedInstructions &+= instructions
        let share = UInt64(max(multiprocessorsInUse, 1))
        if uncountedInstructions >= share {
            counters.pointee.clock &+= uncountedInstructions / share
            uncountedInstructions %= share
        }
    }

    // Time

    func schedule(_ action: TimedAction, after time: UInt64) {
        if judge != nil, action.isWork, !action.isStart { return work.append(action) }
        events.add(action, at: counters.pointee.clock &+ time)
    }

    private func completeDueEvents() {
        while let event = events.first, event.time <= counters.pointee.clock, failure == nil {
            complete(events.removeFirst())
        }
    }

    /// While nothing but polling happens, time goes faster and faster, so that deadlines come within reach.
    private func hurryWhenStuck() {
        let instructions = counters.pointee.instructions
        if counters.pointee.progress != lastProgress || events.workCount > 0 || !work.isEmpty {
            lastProgress = counters.pointee.progress
            nextLeapAt = instructions &+ 200_000
            leap = 1_000
        } else if instructions >= nextLeapAt, sleeps != sleepsAtLeap || nextHaltEnd != .max {
            sleepsAtLeap = sleeps
            counters.pointee.clock = min(counters.pointee.clock &+ leap, nextHaltEnd)
            leap = min(leap * 2, 10_000_000)
            nextLeapAt = instructions &+ 2_000
        }
    }

    /// Goes to the next event, or closer to it. Gives false if nothing that comes could change anything.
    private func skipIdleTime() -> Bool {
        while let event = events.first, event.action.isVoid { _ = events.removeFirst() }
        let next = min(events.first?.time ?? .max, nextHaltEnd)
        // When no work is under way, only sleepers can act, perhaps a watchdog, and flushes, which give up when a peer
        // never answers. Warps that just retry a try-wait cannot.
        guard events.workCount > 0 || sleepingWarps > 0 || network.isFlushing || nextHaltEnd != .max else {
            return false
        }
        if followsHost { wait(until: next) } else { counters.pointee.clock = max(counters.pointee.clock, next) }
        return true
    }

    func complete(_ action: TimedAction) {
        if action.isVoid { return }
        switch action {
        case .wake(let warp, _):
            resume(warp)
        case .limit(let warp, _):
            warp.waitLimitPassed = true
            if case .mbarrier = warp.state {
                warp.block.mbarriers.waiting.removeAll { $0 === warp }
                resume(warp)
            } else if case .networkFlush = warp.state {
                network.stopWaiting(warp)
                resume(warp)
            }
        case .load(let copy):
            counters.pointee.progress &+= 1
            complete(load: copy)
        case .read(let copy):
            counters.pointee.progress &+= 1
            read(store: copy)
        case .perform(let copy):
            counters.pointee.progress &+= 1
            perform(store: copy)
        case .multiply(let warp):
            counters.pointee.progress &+= 1
            completeMultiply(of: warp)
        case .network(let action):
            counters.pointee.progress &+= 1
            act(action)
        case .stream(let stream):
            stream.mayStart = true
            streamsChanged = true
        }
    }

    // Warps

    func addRunnable(_ warp: Warp) {
        warp.state = .runnable
        warp.runnableIndex = runnable.count
        runnable.append(warp)
    }

    func removeRunnable(_ warp: Warp) {
        let last = runnable.removeLast()
        if last !== warp {
            runnable[warp.runnableIndex] = last
            last.runnableIndex = warp.runnableIndex
        }
        warp.runnableIndex = -1
    }

    /// Takes the running warp off the list of runnable ones.
    func suspend(_ warp: Warp, _ state: Warp.State) {
        removeRunnable(warp)
        warp.state = state
        warp.wait &+= 1
        switch state {
        case .sleeping:
            sleepingWarps += 1
            sleeps &+= 1
        case .mbarrier where !warp.hasWaitLimit, .networkFlush where !warp.hasWaitLimit:
            warp.hasWaitLimit = true
            schedule(.limit(warp, warp.tryWaits), after: configuration.suspendLimit)
        default: break
        }
    }

    /// Lets a suspended warp run again.
    func resume(_ warp: Warp) {
        if case .sleeping = warp.state { sleepingWarps -= 1 }
        warp.wait &+= 1
        addRunnable(warp)
    }
}
