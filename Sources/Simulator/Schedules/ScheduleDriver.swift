/// Asks a policy, and keeps what it answered.
struct ScheduleDriver {
    private var policy: any SchedulePolicy
    private(set) var record = ScheduleRecord()

    /// Whether the policy asks who the agents are.
    let readsAgents: Bool

    init(_ schedule: Schedule) {
        policy = schedule.makePolicy()
        readsAgents = policy.readsAgents
    }

    /// A number from 0 to `count` - 1; `count` is at least 2.
    mutating func choose(_ kind: Decision.Kind, _ count: Int, agents: [UInt32] = []) -> Int {
        let choice = policy.choose(Decision(kind: kind, count: count, agents: agents))
        record.add(kind, choice, of: count)
        return choice
    }
}

/// The decisions of a run.
public struct ScheduleRecord: Hashable, Sendable {
    /// A decision that a search through all schedules takes every way.
    struct Branch: Hashable, Sendable {
        let decision: Int
        let choice: Int
        let count: Int
    }

    /// A choice that was not 0.
    private struct Choice: Hashable, Sendable {
        let decision: Int
        let choice: Int
    }

    /// Decisions taken.
    public private(set) var decisions = 0
    /// Of those, the ones about who goes on.
    private(set) var agentDecisions = 0
    /// Those that were not 0, by number.
    public var choices: [Int: Int] {
        Dictionary(uniqueKeysWithValues: nonzero.map { ($0.decision, $0.choice) })
    }
    private var nonzero: [Choice] = []
    /// The first of those that a search branches at.
    private(set) var branches: [Branch] = []
    /// Equal for runs whose threads synchronised in the same order.
    public internal(set) var interleaving: UInt64 = 0

    /// Only small kernels are searched exhaustively.
    private static let keptBranches = 4096

    /// A record of nothing.
    public init() {}

    /// How many decisions there were, without what was chosen: for keeping many records.
    public var withoutChoices: ScheduleRecord {
        var record = self
        (record.nonzero, record.branches) = ([], [])
        return record
    }

    mutating func add(_ kind: Decision.Kind, _ choice: Int, of count: Int) {
        if choice != 0 { nonzero.append(Choice(decision: decisions, choice: choice)) }
        if kind == .agent { agentDecisions += 1 }
        switch kind {
        case .agent, .value, .postponement, .delay:
            if branches.count < Self.keptBranches {
                branches.append(Branch(decision: decisions, choice: choice, count: count))
            }
        case .givingUp, .place: break
        }
        decisions += 1
    }

    /// The next schedule of a depth-first search, or nil after the last one.
    var next: Schedule? {
        guard let last = branches.lastIndex(where: { $0.choice + 1 < $0.count }) else { return nil }
        var next: [Int: Int] = [:]
        for branch in branches[..<last] where branch.choice != 0 { next[branch.decision] = branch.choice }
        next[branches[last].decision] = branches[last].choice + 1
        return .choices(next)
    }
}
