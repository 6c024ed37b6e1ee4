import Synchronization

/// A machine whose clock is the host's: time passes by itself, and memory changes by itself, as other processes write
/// to it.
extension SimulatedMachine {
    /// Instructions between two looks at the clock.
    private static let clockInterval: UInt64 = 64

    func followHostClock(instructions: UInt64) {
        uncountedInstructions &+= instructions
        guard uncountedInstructions >= Self.clockInterval else { return }
        uncountedInstructions = 0
        counters.pointee.clock = HostClock.now
    }

    /// Naps now and then while nothing but polling happens.
    func restWhenPolling() {
        let now = counters.pointee
        if now.progress != lastProgress || events.workCount > 0 {
            lastProgress = now.progress
            rest.restart(clock: now.clock, switches: now.switches)
        } else if let nap = rest.duration(
            clock: now.clock, switches: now.switches, warps: runnable.count + sleepingWarps)
        {
            HostClock.nap(nap)
            counters.pointee.clock = HostClock.now
            rest.resume(clock: counters.pointee.clock, switches: now.switches)
        }
    }

    /// Lets time pass until `next`, or some of it.
    func wait(until next: UInt64) {
        counters.pointee.clock = HostClock.now
        // A nap takes longer than the shortest waits.
        guard next > counters.pointee.clock + 20_000 else { return }
        HostClock.nap(min(next - counters.pointee.clock, 10_000_000))
        counters.pointee.clock = HostClock.now
    }

    /// What the host's threads have done comes before what follows, and the other way round.
    func meetHost() { atomicMemoryFence(ordering: .sequentiallyConsistent) }
}
