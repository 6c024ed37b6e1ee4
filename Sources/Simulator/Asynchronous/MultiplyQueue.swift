/// The multiplies that a warp has under way, oldest first; they complete in order.
struct MultiplyQueue {
    struct Operation {
        var plan: Int
        var a: UInt64
        var b: UInt64
        var accumulates: Bool
        /// Index of the step that issued it.
        var step: Int
        /// What a judge knows of it.
        var judged: JudgedCopy?
        /// Number of the group that it belongs to.
        var group: Int
    }

    var operations: [Operation] = []
    var committedGroups = 0
    /// When the newest one completes.
    var lastCompletion: UInt64 = 0

    /// Whether all but the last `pending` committed groups have completed.
    func isSatisfied(pending: Int) -> Bool {
        guard let oldest = operations.first else { return true }
        return oldest.group >= committedGroups - pending
    }
}
