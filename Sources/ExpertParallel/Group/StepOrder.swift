/// Where each rank is in its step, so that calls out of order are refused instead of corrupting flags.
final class StepOrder {
    /// What a rank did last.
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

    private var phases: [Phase]
    private var failed = false

    init(ranks: Int) { phases = [Phase](repeating: .idle, count: ranks) }

    /// Moves a rank on to `phase`, which must be the next.
    func advance(_ rank: Int, to phase: Phase) throws(GroupError) {
        if failed { throw .needsReset }
        guard phases[rank].next == phase else {
            throw .outOfOrder(call: phase.call, expected: phases[rank].next.call)
        }
        phases[rank] = phase
    }

    /// Throws unless every rank is between two steps.
    func requireIdle(before call: String) throws(GroupError) {
        if failed { throw .needsReset }
        if let phase = phases.first(where: { $0 != .idle }) {
            throw .outOfOrder(call: call, expected: phase.next.call)
        }
    }

    /// Notes that the flags in memory can no longer be trusted.
    func fail() { failed = true }

    /// Everything is as before the first step.
    func reset() {
        failed = false
        for rank in phases.indices { phases[rank] = .idle }
    }
}
