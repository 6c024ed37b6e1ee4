/// A device that dies, stops or is slow in the middle of a kernel: from one instruction on, nothing in the streams of a
/// rank makes progress. Warps are not scheduled, asynchronous copies and multiplies do not happen, what is queued does
/// not start. What the rank has stored so far is there, and its memory stays usable.
///
/// Its blocks stay on their multiprocessors. Synchronising takes streams of a rank that is halted for ever as done.
public struct RankHalt: Hashable, Sendable {
    /// Whose streams are halted.
    public var rank: Int
    /// Warp instructions of all ranks, counted as for ``SimulatorConfiguration/instructionLimit``, after which the halt
    /// begins.
    public var afterInstructions: UInt64
    /// How long it lasts, in nanoseconds of the machine's clock; nil for ever. What a halted rank had under way goes on
    /// where it was, sleeps included. Halts of one rank that overlap end with the last.
    public var nanoseconds: UInt64?

    /// A halt of `rank`, for ever unless said otherwise.
    public init(rank: Int, afterInstructions: UInt64, nanoseconds: UInt64? = nil) {
        self.rank = rank
        self.afterInstructions = afterInstructions
        self.nanoseconds = nanoseconds
    }
}
