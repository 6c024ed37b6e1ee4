import KernelLanguage

/// Two accesses to the same memory, at least one of them a write, that nothing orders.
public struct RaceReport: Hashable, Sendable, CustomStringConvertible {
    /// One of the two accesses.
    public struct Access: Hashable, Sendable, CustomStringConvertible {
        /// What it is, such as "store" or "read of a bulk store".
        public var operation: String
        /// Where in the kernel; the lane is the first of several. Nil for host work.
        public var place: ExecutionPlace?
        /// Label of the stream that the kernel ran in.
        public var stream: String
        /// Rank whose stream that is.
        public var rank: Int

        /// Operation, stream, rank and place.
        public var description: String {
            let location = place.map { "\($0)" } ?? "host work"
            return "\(operation) at \(location) (rank \(rank), stream \(stream))"
        }
    }

    /// Label of the allocation; "shared memory" for a block's own.
    public var allocation: String
    /// Byte in it where they meet.
    public var offset: Int
    /// The access that came first in this schedule.
    public var first: Access
    /// The one that came second.
    public var second: Access
    /// What would have to order them and does not.
    public var missing: String
    /// What to do.
    public var remedy: String

    /// Several lines.
    public var description: String {
        """
        race on byte \(offset) of \(allocation): \(missing)
          \(first)
          \(second)
          remedy: \(remedy)
        """
    }
}
