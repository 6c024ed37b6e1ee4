/// The reaction of a group to a rank's wait for another that times out.
public enum FailurePolicy: String, CaseIterable, Hashable, Sendable {
    /// The step fails on the rank that waited, with `GroupError.waitTimedOut`; all ranks are then reset. Rows go
    /// straight to where experts read them.
    case stop
    /// The rank that waited masks the other and goes on without it: no error, no call of the host, and nothing is
    /// captured anew. Outputs lack the terms of that rank's experts: in the step in which it is masked those that had
    /// not arrived by then, and all from the next step on. With no rank masked, outputs have the bits of `stop`.
    ///
    /// Rows land at their experts' rank in memory of their source's own and are put in their places there, which costs
    /// a pass over them, and memory. See ``ExpertRank/maskedRanks()``.
    case mask
}
