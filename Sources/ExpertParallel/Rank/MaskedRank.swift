import ExpertKernels

/// A rank that another goes on without.
public struct MaskedRank: Hashable, Sendable, CustomStringConvertible {
    /// Why it is masked.
    public enum Cause: Hashable, Sendable {
        /// A kernel waited for it in vain.
        case wait(WaitFault)
        /// The host said so, by ``ExpertRank/mask(_:)``.
        case host
    }

    /// The rank that is masked.
    public var rank: Int
    /// Why.
    public var cause: Cause

    /// A rank, and why it is masked.
    public init(rank: Int, cause: Cause) {
        self.rank = rank
        self.cause = cause
    }

    /// The rank and the cause, for messages.
    public var description: String {
        switch cause {
        case .wait(let fault): "rank \(rank) is masked: \(fault)"
        case .host: "rank \(rank) is masked by the host"
        }
    }
}
