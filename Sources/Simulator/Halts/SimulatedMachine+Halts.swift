/// Ranks that stop in the middle of what they do.
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

    /// Takes all that a rank has under way out of the race.
    private func hold(_ halted: HaltedRank) {
        for stream in streams where stream.rank == halted.rank { stream.halted = halted }
        halted.warps = runnable.filter { $0.rank == halted.rank }
        for warp in halted.warps { removeRunnable(warp) }
        let clock = counters.pointee.clock
        // The block of a warp whose wait is over may be gone.
        halted.events = events.removeAll { !$0.isVoid && $0.rank == halted.rank }
            .map { ($0.action, $0.time > clock ? $0.time - clock : 0) }
        halted.work = work.filter { $0.rank == halted.rank }
        work.removeAll { $0.rank == halted.rank }
        sleepingWarps -= halted.sleepingWarps
    }

    /// Lets a rank go on where it was.
    private func letGo(_ halted: HaltedRank) {
        for stream in streams where stream.halted === halted { stream.halted = nil }
        sleepingWarps += halted.sleepingWarps
        for warp in halted.warps { addRunnable(warp) }
        for event in halted.events { events.add(event.action, at: counters.pointee.clock &+ event.remaining) }
        work += halted.work
        streamsChanged = true
        dispatchNeeded = true
    }
}

extension Warp {
    /// The rank whose work it does.
    fileprivate var rank: Int { block.run.stream.rank }
}

extension TimedAction {
    /// The rank whose work it belongs to.
    fileprivate var rank: Int {
        switch self {
        case .wake(let warp, _), .limit(let warp, _), .multiply(let warp): warp.rank
        case .load(let copy), .read(let copy), .perform(let copy): copy.block.run.stream.rank
        case .stream(let stream): stream.rank
        }
    }
}
