import KernelLanguage
import Simulator
import Synchronization

/// Runs of workloads whose kernels are not mutated, by schedule.
///
/// A mutation of an operation that no thread reaches changes nothing, so that a schedule that does not lead to the
/// operation need not run again for it. Each schedule runs once, when it is asked for first.
final class UnmutatedRuns: Sendable {
    /// A run that succeeded.
    struct Run: Sendable {
        /// How many decisions it took.
        let record: ScheduleRecord
        /// By kernel and the number of an operation: whether some thread has reached it.
        let reached: [KernelDigest: [Bool]]

        /// Whether a thread has reached the operation of one of the mutations.
        func reaches(_ mutations: [KernelDigest: [Mutation]]) -> Bool {
            mutations.contains { digest, mutations in
                guard let reached = reached[digest] else { return false }
                return mutations.contains { $0.isReached(reached) }
            }
        }
    }

    private struct Key: Hashable {
        let workload: String
        let configuration: SimulatorConfiguration
    }

    /// Nil for runs that failed.
    private let runs = Mutex<[Key: Run?]>([:])

    /// The run of a workload; nil if it does not succeed.
    ///
    /// - Parameters:
    ///   - workload: The workload; names tell them apart.
    ///   - configuration: Of its machine, with a schedule.
    ///   - expected: The outputs of a plain simulation.
    func run(
        _ workload: Workload, _ configuration: SimulatorConfiguration, expecting expected: [[UInt16]]
    ) -> Run? {
        let key = Key(workload: workload.name, configuration: configuration)
        if let known = runs.withLock({ $0[key] }) { return known }
        // Two threads that ask at once both run it, and find the same.
        let (result, device) = workload.trial(configuration, expecting: expected)
        var run: Run?
        if case .success = result, let record = device.scheduleRecord {
            run = Run(record: record.withoutChoices, reached: device.reachedOperations)
        }
        runs.withLock { $0[key] = .some(run) }
        return run
    }
}
