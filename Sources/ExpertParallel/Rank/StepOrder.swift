/// The phase of a rank's step, so that calls out of order are refused instead of corrupting flags.
final class StepOrder {
    /// The phases of a step, by the rank's last call.
    enum Phase: String {
        case idle, dispatched, received, combined

        var next: Phase {
            switch self {
            case .idle: .dispatched
            case .dispatched: .received
            case .received: .combined
            case .combined: .idle
            }
        }

        /// The call that leads here.
        var call: String {
            switch self {
            case .idle: "the combine's receive hook"
            case .dispatched: "dispatch"
            case .received: "the dispatch's receive hook"
            case .combined: "combine"
            }
        }
    }

    private var phase = Phase.idle
    /// Whether the flags in memory can no longer be trusted.
    private(set) var failed = false

    /// Moves on to `next`. Throws `GroupError.outOfOrder` unless it comes next, and `.needsReset` after a failure.
    func advance(to next: Phase) throws(GroupError) {
        if failed { throw .needsReset }
        guard phase.next == next else { throw .outOfOrder(call: next.call, expected: phase.next.call) }
        phase = next
    }

    /// Throws unless the rank is between two steps.
    func requireIdle(before call: String) throws(GroupError) {
        if failed { throw .needsReset }
        if phase != .idle { throw .outOfOrder(call: call, expected: phase.next.call) }
    }

    /// Whether nothing is left to do of a step.
    var isIdle: Bool { phase == .idle }

    /// A barrier of all ranks ends the step, in whatever phase it is.
    func endByBarrier() throws(GroupError) {
        if failed { throw .needsReset }
        phase = .idle
    }

    /// The rows that were dispatched last are combined once more.
    func repeatCombine() throws(GroupError) {
        try requireIdle(before: "combine")
        phase = .received
    }

    /// Notes that the flags in memory can no longer be trusted.
    func fail() { failed = true }

    /// Everything is as before the first step.
    func reset() {
        failed = false
        phase = .idle
    }
}
