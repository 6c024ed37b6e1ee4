#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

/// Runs the same work under many schedules, each on a fresh machine with a judge, until one fails or the budget is
/// spent.
///
/// ```swift
/// let report = Exploration(schedules: 200).run { machine in
///     // allocate, write, launch on streams, synchronise; return what should be looked at
/// }
/// #expect(report.failure == nil, "\(report)")
/// ```
public struct Exploration: Sendable {
    /// Where schedules come from.
    public enum Policy: Hashable, Sendable {
        /// Every choice at random.
        case random
        /// Random priorities with `depth` - 1 changes: finds faults that need few switches at the right moments.
        case pct(depth: Int)
        /// All schedules: every order of the steps that synchronise, every value that a load may read. For kernels with
        /// a handful of such steps.
        case exhaustive
        /// One schedule.
        case replay(Schedule)
    }

    /// Where schedules come from.
    public var policy: Policy
    /// Most schedules to run.
    public var schedules: Int
    /// Seconds after which no further schedule starts; nil for no limit.
    public var seconds: Double?
    /// Seed of the first random schedule; the others' follow it.
    public var seed: UInt64
    /// Most runs that shrinking a failing schedule may take.
    public var shrinkingRuns: Int
    /// The machine; its schedule is replaced.
    public var configuration: SimulatorConfiguration
    /// Called after each schedule with the number so far and that of distinct interleavings.
    public var progress: (@Sendable (Int, Int) -> Void)?

    /// An exploration; see the properties.
    public init(
        policy: Policy = .random, schedules: Int = 100, seconds: Double? = nil, seed: UInt64 = 0,
        shrinkingRuns: Int = 60, configuration: SimulatorConfiguration = SimulatorConfiguration(multiprocessors: 4),
        progress: (@Sendable (Int, Int) -> Void)? = nil
    ) {
        self.policy = policy
        self.schedules = schedules
        self.seconds = seconds
        self.seed = seed
        self.shrinkingRuns = shrinkingRuns
        self.configuration = configuration
        self.progress = progress
    }

    /// What a trial gives: its outcome or error, and the decisions of its machine.
    public typealias Trial<Outcome> = (result: Result<Outcome, any Error>, record: ScheduleRecord)

    /// Runs `body` on machines.
    public func run<Outcome: Hashable>(
        _ body: (SimulatedMachine) throws -> Outcome
    ) -> ExplorationReport<Outcome> {
        runTrials { configuration in
            let machine = SimulatedMachine(configuration)
            let result = Result { try body(machine) }
            return (result, machine.scheduleRecord ?? ScheduleRecord())
        }
    }

    /// Runs trials that make their machines themselves, from the configuration that they are given.
    public func runTrials<Outcome: Hashable>(
        _ trial: (SimulatorConfiguration) -> Trial<Outcome>
    ) -> ExplorationReport<Outcome> {
        var report = ExplorationReport<Outcome>()
        let start = Date()
        func seconds() -> Double { Date().timeIntervalSince(start) }
        var next: Schedule? = first
        while let schedule = next, report.schedules < schedules, seconds() < self.seconds ?? .infinity {
            let (result, record) = trial(configuration(schedule))
            report.schedules += 1
            report.interleavings.insert(record.interleaving)
            progress?(report.schedules, report.interleavings.count)
            switch result {
            case .success(let outcome):
                if report.outcomes[outcome] == nil { report.outcomes[outcome] = schedule }
            case .failure(let error):
                let shrinker = Shrinker<Outcome>(runs: shrinkingRuns)
                report.failure = shrinker.shrink(error, schedule, record) { trial(configuration($0)) }
                report.seconds = seconds()
                return report
            }
            next = following(schedule, record, number: report.schedules)
        }
        report.isComplete = next == nil
        report.seconds = seconds()
        return report
    }

    private func configuration(_ schedule: Schedule) -> SimulatorConfiguration {
        var configuration = configuration
        configuration.schedule = schedule
        return configuration
    }

    private var first: Schedule {
        switch policy {
        case .random: .random(seed: seed)
        // The first run shows how long a run is.
        case .pct(let depth): .pct(seed: seed, depth: depth, length: 1_000)
        case .exhaustive: .choices([:])
        case .replay(let schedule): schedule
        }
    }

    private func following(_ schedule: Schedule, _ record: ScheduleRecord, number: Int) -> Schedule? {
        switch policy {
        case .random: .random(seed: seed &+ UInt64(number))
        case .pct(let depth):
            .pct(seed: seed &+ UInt64(number), depth: depth, length: max(record.agentDecisions, 1))
        case .exhaustive: record.next
        case .replay: nil
        }
    }
}
