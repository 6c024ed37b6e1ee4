/// When a wait is given up.
package struct Deadline: Sendable {
    private let end: ContinuousClock.Instant
    /// Its length when it was set.
    let seconds: Double

    /// A deadline `seconds` from now; negative ones count as 0, and more than 30 years as 30.
    package init(seconds: Double) {
        self.seconds = seconds
        end = ContinuousClock.now + .seconds(seconds < 1e9 ? max(seconds, 0) : 1e9)
    }

    /// Whether the time is over.
    package var isOver: Bool { ContinuousClock.now >= end }

    /// The time left, for `poll`: rounded up, so that a wait does not end early, and 0 when the time is over.
    var milliseconds: Int32 {
        let left = (end - ContinuousClock.now) / .milliseconds(1)
        return left <= 0 ? 0 : Int32(min(left.rounded(.up), 1e9))
    }
}
