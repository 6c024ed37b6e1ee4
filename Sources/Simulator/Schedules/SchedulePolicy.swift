/// One choice that a run leaves open.
public struct Decision: Sendable {
    /// What is chosen.
    public enum Kind: UInt8, Sendable {
        /// Who goes on: a warp, or a copy that happens. Choice 0 takes turns.
        case agent
        /// Which store a load reads from; choice 0 is the newest.
        case value
        /// Whether a relaxed load or store is put off; choice 0 is no.
        case postponement
        /// Whether a try-wait gives up early; choice 0 is no.
        case givingUp
        /// Where a block goes, when a stream or sleeper goes on; choice 0 is the nearest.
        case place
        /// Where races are followed: whether an access is put off, and whether it stays so behind what orders
        /// something; choice 0 is no.
        case delay
    }

    /// What is chosen.
    public let kind: Kind
    /// How many choices there are, at least 2.
    public let count: Int
    /// For agents: a small number for each choice, the same as long as the agent lives; none for policies that do not
    /// read them.
    public let agents: [UInt32]
}

/// Decides what a run leaves open. The same decisions give the same run.
public protocol SchedulePolicy {
    /// A number from 0 to `count` - 1.
    mutating func choose(_ decision: Decision) -> Int

    /// Whether it needs to know who the agents are, rather than just how many.
    var readsAgents: Bool { get }
}

extension SchedulePolicy {
    /// Not unless a policy says so.
    public var readsAgents: Bool { false }
}
