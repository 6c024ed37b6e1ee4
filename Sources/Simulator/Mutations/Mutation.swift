import KernelLanguage

/// A weakening of one operation of a kernel: a weaker order, a narrower scope, a fence, barrier or wait left out. A
/// checker worth its name finds each, unless the operation was not needed.
public struct Mutation: Hashable, Sendable, CustomStringConvertible {
    /// What happens to the operation.
    public enum Change: Hashable, Sendable {
        case order(MemoryOrder.Strength)
        case scope(MemoryScope)
        case proxyFence(ProxyFence)
        /// A wait for bulk stores ends when they have read their source.
        case onlyRead
        /// A wait ends at once.
        case notWaiting
        /// A put's signal is an operation of its own, which covers nothing.
        case uncovered
        /// The network sets a word instead of adding to it.
        case setting
        /// A put goes on a channel that nobody flushes.
        case otherChannel
        case removed
    }

    /// Number of the operation in its kernel, in the order of the text, operations of nested blocks after their own.
    public let number: Int
    /// Number of the operation that a thread must reach for the mutation to change its behaviour: of the operation
    /// itself, or of the `if` around it where its removal may leave a side empty.
    let reach: Int
    /// Line that emitted it.
    public let location: SourceLocation
    /// Name of the operation, such as "acquire load (gpu scope)".
    public let operation: String
    /// What happens to it.
    public let change: Change

    /// Whether a thread has reached the operation that the mutation changes.
    ///
    /// - Parameter isReached: By the number of an operation, as ``SimulatedMachine/reachedOperations`` has it.
    public func isReached(_ isReached: [Bool]) -> Bool { isReached.indices.contains(reach) && isReached[reach] }

    /// Line, operation and change.
    public var description: String { "\(location) \(operation): \(change)" }
}

extension Mutation.Change: CustomStringConvertible {
    /// In a few words.
    public var description: String {
        switch self {
        case .order(let strength): strength.rawValue
        case .scope(let scope): "\(scope.rawValue) scope"
        case .proxyFence(let fence): "only \(fence.rawValue)"
        case .onlyRead: "only until read"
        case .notWaiting: "not waiting"
        case .uncovered: "signal covers nothing"
        case .setting: "set instead of added"
        case .otherChannel: "another channel"
        case .removed: "removed"
        }
    }
}
