import Simulator
import Testing

/// Faults of others, each found within a few schedules, and next to each the right way, which stays clean.
@Suite struct KnownFaultTests {
    @Test(arguments: KnownFault.all)
    func isFoundWithinItsBudget(_ fault: KnownFault) throws {
        for policy in [Exploration.Policy.random, .pct(depth: 3)] {
            let report = Exploration(policy: policy, schedules: fault.budget).run { try fault.run($0, true) }
            switch fault.finding {
            case .race: _ = try race(report)
            case .raceSaying(let text):
                let race = try race(report)
                #expect(race.missing.contains(text), "\(race)")
            case .wrongResult:
                if let failure = report.failure { throw failure }
                #expect(report.outcomes.keys.contains { $0 != fault.expected }, "\(policy): \(report)")
            }
        }
    }

    private func race(_ report: ExplorationReport<[UInt32]>) throws -> RaceReport {
        let failure = try #require(report.failure, "nothing found: \(report)")
        guard case SimulationError.race(let race) = failure.error else { throw failure }
        return race
    }

    @Test(arguments: KnownFault.all)
    func isNotThereWhenPutRight(_ fault: KnownFault) {
        for policy in [Exploration.Policy.random, .pct(depth: 3)] {
            let report = Exploration(policy: policy, schedules: 200).run { try fault.run($0, false) }
            #expect(report.failure == nil, "\(report)")
            #expect(Array(report.outcomes.keys) == [fault.expected])
        }
    }
}
