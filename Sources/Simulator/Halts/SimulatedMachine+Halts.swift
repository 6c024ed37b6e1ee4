/// Halts of ranks in the middle of their work.
extension SimulatedMachine {
    /// Begins and ends the halts whose moments have come.
    func followHalts() {
        while let (halted, isNew) = halts.begin(
            instructions: counters.pointee.instructions, clock: counters.pointee.clock)
        {
            if isNew { hold(halted) }
        }
        while let halted = halts.end(clock: counters.pointee.clock) { letGo(halted) }
    }

    /// Sets aside all that a rank has under way, so that none of it runs.
    private func hold(_ halted: HaltedRank) {
        for stream in streams where stream.rank == halted.rank { stream.halted = halted }
        halted.warps = runnable.filter { $0.rank == halted.rank }
        for warp in halted.warps { removeRunnable(warp) }
        let clock = counters.pointee.clock
        // The block of a warp whose wait is over may be gone.
        halted.events = events.removeAll { !$0.isVoid && $0.involves(halted.rank) }
            .map { ($0.action, $0.time > clock ? $0.time - clock : 0) }
        halted.work = work.filter { $0.involves(halted.rank) }
        work.removeAll { $0.involves(halted.rank) }
        sleepingWarps -= halted.sleepingWarps
    }

    /// Lets a rank go on where it was.
    private func letGo(_ halted: HaltedRank) {
        for stream in streams where stream.halted === halted { stream.halted = nil }
        sleepingWarps += halted.sleepingWarps
        for warp in halted.warps { addRunnable(warp) }
        for event in halted.events {
            if let other = holding(event.action) {
                other.events.append(event)
            } else {
                events.add(event.action, at: counters.pointee.clock &+ event.remaining)
            }
        }
        for action in halted.work {
            if let other = holding(action) { other.work.append(action) } else { work.append(action) }
        }
        streamsChanged = true
        dispatchNeeded = true
    }

    /// What the network does needs both ends: the halt of the other one.
    private func holding(_ action: TimedAction) -> HaltedRank? {
        if case .network(let part) = action { halts.holding(part.transfer.lane) } else { nil }
    }
}

extension Warp {
    /// The rank whose work it does.
    fileprivate var rank: Int { block.run.stream.rank }
}

extension TimedAction {
    /// Whether it belongs to the rank's work; what the network does belongs to both of its ends'.
    fileprivate func involves(_ rank: Int) -> Bool {
        switch self {
        case .wake(let warp, _), .limit(let warp, _), .multiply(let warp): warp.rank == rank
        case .load(let copy), .read(let copy), .perform(let copy): copy.block.run.stream.rank == rank
        case .network(let action): action.transfer.lane.involves(rank)
        case .stream(let stream): stream.rank == rank
        }
    }
}
