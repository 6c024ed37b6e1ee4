import Simulator

/// A test, all that the memory model allows it, what the simulator showed, and what follows.
package struct LitmusExamination: Sendable {
    /// What the two together come to.
    package enum Verdict: String, CaseIterable, Sendable {
        /// The end that the question asks about is allowed and was seen, or it is forbidden and was not.
        case agrees
        /// It is allowed, and no schedule showed it.
        case allowedButNotSeen = "allowed but not seen"
        /// It is forbidden, or another end is, and a schedule showed it: a fault of the simulator.
        case seenThoughForbidden = "seen though forbidden"
        /// The memory model, as it is written down here, answers the question otherwise than the test's author.
        case expectedOtherwise = "expected otherwise"
        /// There were too many executions to say.
        case undecided
    }

    /// The test.
    package let test: LitmusTest
    /// What the model allows.
    package let model: Enumeration
    /// What the simulator showed; nil if it cannot run the test.
    package let simulation: LitmusSimulation?
    /// Why it cannot.
    package let obstacle: LitmusObstacle?
    /// What the author says of the last line; nil if nobody has said anything.
    package let expected: Bool?

    /// Enumerates and simulates `test`.
    ///
    /// - Parameters:
    ///   - expected: Whether the last line is true, as far as its author says.
    ///   - schedules: Most schedules of an exhaustive exploration.
    ///   - seconds: Seconds of each exploration.
    ///   - rounds: How often the model's executions go round loops.
    package init(
        _ test: LitmusTest, expected: Bool? = nil, schedules: Int = 20_000, seconds: Double = 5, rounds: Int = 3
    ) throws {
        self.test = test
        self.expected = expected
        model = Enumeration(test, rounds: rounds)
        do {
            simulation = try LitmusSimulation(test, schedules: schedules, seconds: seconds)
            obstacle = nil
        } catch let error as LitmusObstacle {
            (simulation, obstacle) = (nil, error)
        }
    }

    /// Whether the end that the question asks about is allowed: by what is expected, or else by the model.
    package var isAllowed: Bool {
        expected.map { test.question.isTrue(reachable: true) == $0 } ?? model.isReachable
    }

    /// Whether a schedule showed such an end.
    package var isSeen: Bool { shown != nil }

    /// The schedule that showed one.
    package var shown: Schedule? {
        simulation?.ends.filter { isCounted($0.key) && isAsked($0.key) }.map(\.value)
            .min { "\($0)".count < "\($1)".count }
    }

    /// Ends that a schedule showed and the model forbids.
    package var strays: [[Int]] {
        guard model.isComplete, let simulation else { return [] }
        return simulation.ends.keys.filter { isCounted($0) && !model.ends.contains($0) }
            .sorted { $0.lexicographicallyPrecedes($1) }
    }

    private func isCounted(_ end: [Int]) -> Bool { test.filter.map { model.holds($0, end) } ?? true }

    private func isAsked(_ end: [Int]) -> Bool {
        test.question.asksAbout(model.holds(test.question.condition, end))
    }

    /// What follows.
    package var verdict: Verdict {
        // What was seen needs no enumeration.
        if !isAllowed, isSeen { return .seenThoughForbidden }
        if !strays.isEmpty { return .seenThoughForbidden }
        if model.isComplete || model.isReachable {
            if model.isReachable != isAllowed { return .expectedOtherwise }
        } else if !isSeen {
            return .undecided
        }
        return isAllowed && !isSeen ? .allowedButNotSeen : .agrees
    }
}
