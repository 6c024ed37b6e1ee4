import KernelLanguage
import Simulator
import Testing

/// Explorations as such: budgets, what they count, and schedules that replay and shrink.
@Suite struct ExplorationTests {
    /// A producer and a consumer of which the consumer's poll is relaxed, so that its read races.
    private static func racing(_ machine: SimulatedMachine) throws -> UInt32 {
        try SignalProtocol.relaxedPoll.run(on: machine)[0]
    }

    private func failure(_ policy: Exploration.Policy, shrinkingRuns: Int = 60) throws -> ExplorationFailure {
        let report = Exploration(policy: policy, schedules: 50, seed: 3, shrinkingRuns: shrinkingRuns)
            .run(Self.racing)
        return try #require(report.failure, "\(report)")
    }

    @Test(arguments: [
        Schedule.random(seed: 7), .pct(seed: .max, depth: 3, length: 1_000), .choices([:]),
        .choices([0: 1, 12: 3, 40_000: 2]),
    ])
    func schedulesAreText(_ schedule: Schedule) {
        #expect(Schedule(schedule.description) == schedule)
        #expect(!schedule.description.contains("\n"))
    }

    @Test(arguments: [
        "", "random", "random:", "random:-1", "random:1:2", "pct:1:2", "pct:1:0:5", "pct:1:2:0", "choices",
        "choices:1", "choices:1=0", "choices:-1=2", "choices:1=2=3", "other:1",
    ])
    func otherTextIsRefused(_ text: String) { #expect(Schedule(text) == nil) }

    @Test(arguments: [Exploration.Policy.random, .pct(depth: 3), .exhaustive])
    func failuresReplay(_ policy: Exploration.Policy) throws {
        let failure = try failure(policy)
        for schedule in [failure.schedule, failure.original] {
            let text = try #require(Schedule(schedule.description))
            let replay = Exploration(policy: .replay(text), shrinkingRuns: 0).run(Self.racing)
            #expect(replay.schedules == 1)
            #expect("\(try #require(replay.failure).error)".split(separator: "\n").first == headline(failure))
        }
    }

    private func headline(_ failure: ExplorationFailure) -> Substring? {
        "\(failure.error)".split(separator: "\n").first
    }

    @Test func failuresShrink() throws {
        let (long, short) = (try failure(.random, shrinkingRuns: 1), try failure(.random))
        guard case .choices(let shrunk) = short.schedule else {
            Issue.record("\(short.schedule)")
            return
        }
        if case .choices(let first) = long.schedule { #expect(shrunk.count < first.count) }
        #expect(shrunk.count <= 3, "\(short.schedule)")
        #expect(short.original == .random(seed: 3))
    }

    @Test func interleavingsAreCounted() throws {
        let orders = Exploration(schedules: 40).run { try SignalProtocol().run(on: $0) }
        #expect(orders.failure == nil && orders.schedules == 40)
        #expect(orders.interleavings.count > 10)
        let one = Exploration(policy: .replay(.random(seed: 1)), schedules: 40).run { try SignalProtocol().run(on: $0) }
        #expect(one.schedules == 1 && one.interleavings.count == 1 && one.isComplete)
    }

    @Test func budgetInSeconds() throws {
        let report = Exploration(schedules: .max, seconds: 0.2).run { try SignalProtocol().run(on: $0) }
        #expect(report.schedules > 1 && report.failure == nil && !report.isComplete)
        #expect(report.seconds < 5)
    }

    @Test func reportsSayWhatWasRun() throws {
        let clean = Exploration(schedules: 2).run { try SignalProtocol().run(on: $0) }
        #expect(clean.description.hasPrefix("2 schedules, ") && clean.description.hasSuffix("no failure"))
        let failure = try failure(.random)
        #expect(failure.description.contains("replay with: \(failure.schedule)"))
        #expect(failure.description.contains("race on byte"))
    }
}
