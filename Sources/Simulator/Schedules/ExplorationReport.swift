/// What an exploration ran and found.
public struct ExplorationReport<Outcome: Hashable>: CustomStringConvertible {
    /// Schedules run.
    public internal(set) var schedules = 0
    /// Numbers of the interleavings that came up: orders in which threads synchronised.
    public internal(set) var interleavings: Set<UInt64> = []
    /// What came out, each with the first schedule that gave it.
    public internal(set) var outcomes: [Outcome: Schedule] = [:]
    /// The first failure, which ended the exploration.
    public internal(set) var failure: ExplorationFailure?
    /// Every schedule of the policy was run: of interest for an exhaustive exploration.
    public internal(set) var isComplete = false
    /// Seconds taken.
    public internal(set) var seconds = 0.0

    /// One line, and the failure if there is one.
    public var description: String {
        // One schedule that is replayed is no exploration.
        let all = isComplete && schedules > 1 ? ", all there are" : ""
        let count =
            "\(schedules) schedules\(all), \(interleavings.count) distinct interleavings, \(outcomes.count) outcomes"
        return failure.map { "\(count); \($0)" } ?? "\(count), no failure"
    }
}

/// A schedule under which the work failed.
public struct ExplorationFailure: Error, CustomStringConvertible {
    /// What went wrong.
    public let error: any Error
    /// The shortest schedule found that shows it; its text replays it anywhere.
    public let schedule: Schedule
    /// The schedule that showed it first.
    public let original: Schedule

    /// The error and the text to replay it with.
    public var description: String { "\(error)\nreplay with: \(schedule)" }
}
