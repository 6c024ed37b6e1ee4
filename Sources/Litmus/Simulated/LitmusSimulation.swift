import KernelLanguage
import Simulator

/// The results of a test on the simulator under many schedules, and its judge's findings.
package struct LitmusSimulation: Sendable {
    /// Ends that came up, values in the order of the test's terms, each with the schedule that showed it first.
    package private(set) var ends: [[Int]: Schedule] = [:]
    /// Schedules run.
    package private(set) var schedules = 0
    /// Every schedule was run.
    package private(set) var isComplete = true
    /// The judge reported a race.
    package private(set) var race: RaceReport?
    /// Schedules in which threads waited for ever.
    package private(set) var hangs = 0
    /// Schedules that led to no execution: an access was put off until no consistent place was left, or names of
    /// barriers came out otherwise than the kernels assumed.
    package private(set) var abandoned = 0

    /// How one schedule can end.
    private enum Outcome: Hashable {
        case end([Int])
        case race(RaceReport)
        case hang
        case abandoned
    }

    /// Instructions after which a schedule is taken for one that does not end.
    private static let instructionLimit: UInt64 = 20_000

    private let test: LitmusTest

    /// Runs the test as kernels run, which shows whether it races, and then with races followed, which shows how it can
    /// end.
    ///
    /// - Parameters:
    ///   - schedules: Most schedules of an exhaustive exploration; if those were not all, a tenth as many follow by
    ///     each of two random policies, and half as many where races are followed.
    ///   - seconds: Seconds after which no further schedule of an exploration starts.
    /// - Throws: `LitmusObstacle` if the language lacks something, or what else went wrong in the simulator.
    package init(_ test: LitmusTest, schedules: Int, seconds: Double) throws {
        self.test = test
        for location in test.locations { _ = try ThreadEmitter.narrow(location.initial) }
        let plans = try BarrierPlan.all(test)
        for followsRaces in [false, true] {
            for plan in plans {
                try run(
                    plan, max(schedules / plans.count, 1), seconds / Double(plans.count),
                    followsRaces: followsRaces)
            }
        }
    }

    private mutating func run(
        _ plan: BarrierPlan, _ limit: Int, _ seconds: Double, followsRaces: Bool
    ) throws {
        let parts = try LitmusKernels(test, plan).parts.map { (program: try Program($0.kernel), grid: $0.grid) }
        // A depth-first search gets lost in loops that need not end.
        let depth = test.hasLoops ? max(limit / 10, 1) : limit
        let isDone = try explore(.exhaustive, depth, seconds, parts, plan, followsRaces)
        if !isDone {
            isComplete = false
            // Ends that need accesses postponed in the right places are rare.
            let share = followsRaces ? 2 : 10
            for policy in [Exploration.Policy.random, .pct(depth: 3)] {
                _ = try explore(policy, max(limit / share, 1), seconds, parts, plan, followsRaces)
            }
        }
    }

    private mutating func explore(
        _ policy: Exploration.Policy, _ limit: Int, _ seconds: Double, _ parts: [(program: Program, grid: Int)],
        _ plan: BarrierPlan, _ followsRaces: Bool
    ) throws -> Bool {
        var configuration = SimulatorConfiguration(multiprocessors: 4)
        configuration.instructionLimit = Self.instructionLimit
        configuration.followsRaces = followsRaces
        let exploration = Exploration(
            policy: policy, schedules: limit, seconds: seconds, shrinkingRuns: 0, configuration: configuration)
        var (hangs, abandoned) = (0, 0)
        let report = exploration.run { machine -> Outcome in
            do {
                if let end = try end(parts, plan, on: machine) { return .end(end) }
                abandoned += 1
                return .abandoned
            } catch SimulationError.race(let report) {
                return .race(report)
            } catch SimulationError.deadlock {
                hangs += 1
                return .hang
            } catch SimulationError.instructionLimit {
                hangs += 1
                return .hang
            } catch SimulationError.invalidOperation where machine.isAbandoned {
                abandoned += 1
                return .abandoned
            }
        }
        if let failure = report.failure { throw failure.error }
        self.hangs += hangs
        self.abandoned += abandoned
        schedules += report.schedules
        for (outcome, schedule) in report.outcomes {
            switch outcome {
            case .end(let values): if followsRaces, ends[values] == nil { ends[values] = schedule }
            case .race(let report): if race == nil { race = report }
            case .hang, .abandoned: break
            }
        }
        return report.isComplete
    }

    private func end(
        _ parts: [(program: Program, grid: Int)], _ plan: BarrierPlan, on machine: SimulatedMachine
    ) throws -> [Int]? {
        var memory = [UInt64](repeating: 0, count: test.locations.count)
        for (index, location) in test.locations.enumerated() where location.memory == index {
            let initial = UInt32(truncatingIfNeeded: location.initial)
            memory[index] = try machine.allocate([UInt32](repeating: initial, count: 4), label: location.name)
        }
        for (index, location) in test.locations.enumerated() where location.memory != index {
            memory[index] = try machine.alias(of: memory[location.memory], label: location.name)
        }
        let terms = test.terms
        let count = 2 * test.positions
        let results = try machine.allocate([UInt32](repeating: 0, count: count), label: "results")
        for (rank, part) in parts.enumerated() {
            try machine.enqueueLaunch(
                part.program, grid: part.grid, arguments: memory.map { .address($0) } + [.address(results)],
                on: machine.makeStream(label: "GPU \(rank)", rank: rank))
        }
        try machine.synchronizeAll()
        let registers = try machine.read(UInt32.self, count: count, from: results)
        guard plan.agrees(with: { registers[2 * test.position(ofName: $0.thread, $0.index)] }) else { return nil }
        return try terms.indices.map { position in
            let bits: UInt32
            if case .memory(let location) = terms[position] {
                bits = try machine.read(UInt32.self, count: 1, from: memory[location])[0]
            } else {
                bits = registers[2 * position]
            }
            return Int(Int32(bitPattern: bits))
        }
    }
}
