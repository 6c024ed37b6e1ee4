import KernelLanguage
import Simulator
import Synchronization

/// Explores several workloads, each under random and PCT schedules, on as many threads as there are processors.
package struct Survey: Sendable {
    /// What is explored.
    package var workloads: [Workload]
    /// Where schedules come from; the budget is split evenly among them.
    package var policies: [Exploration.Policy]
    /// Schedules of each workload.
    package var schedules: Int
    /// Seconds after which no further schedule starts; nil for no limit.
    package var seconds: Double?
    /// Seed of the first schedules.
    package var seed: UInt64
    /// A fault to plant: in every operation whose kernel, line, name and change, as `Survey.faults` lists them, contain
    /// this text.
    package var planted: String?

    /// The policies that find most: everything at random, and few changes at the right moments.
    package static let usualPolicies: [Exploration.Policy] = [.random, .pct(depth: 3)]

    /// A survey; see the properties.
    package init(
        workloads: [Workload], policies: [Exploration.Policy] = usualPolicies, schedules: Int = 100,
        seconds: Double? = nil, seed: UInt64 = 0, planted: String? = nil
    ) {
        self.workloads = workloads
        self.policies = policies
        self.schedules = schedules
        self.seconds = seconds
        self.seed = seed
        self.planted = planted
    }

    /// What the exploration of a workload ran and found.
    package struct Finding: Sendable {
        /// The workload.
        package var workload: String
        /// Schedules run.
        package var schedules = 0
        /// Numbers of the interleavings that came up.
        package var interleavings: Set<UInt64> = []
        /// The first failure of each policy that found one.
        package var failures: [ExplorationFailure] = []
        /// Whether an exhaustive exploration has seen everything.
        package var isComplete = false
        /// Seconds that the schedules took.
        package var seconds = 0.0
        /// Seconds that a plain simulation takes.
        package var plainSeconds = 0.0
    }

    /// The faults that can be planted in the kernels of some workloads, as one line each.
    ///
    /// - Throws: What a workload throws when nothing is planted.
    package static func faults(in workloads: [Workload]) throws -> [String] {
        var known: Set<String> = []
        return try workloads.flatMap { try $0.plain().kernels }
            .flatMap { kernel in kernel.mutations.map { fault(kernel, $0) } }
            .filter { known.insert($0).inserted }
    }

    static func fault(_ kernel: Kernel, _ mutation: Mutation) -> String {
        "\(MutationSurvey.kind(kernel.name)): \(mutation)"
    }

    /// Runs the survey. In each workload, a policy ends with its first failure.
    ///
    /// - Parameter progress: Called after each schedule with the number of schedules so far.
    /// - Returns: A finding for each workload.
    /// - Throws: What a workload throws when nothing is planted.
    package func run(progress: @escaping @Sendable (Int) -> Void = { _ in }) throws -> [Finding] {
        let clock = ContinuousClock()
        var plain: [Finding] = []
        let expected = try workloads.map { workload in
            let start = clock.now
            let outputs = try workload.plain().outputs
            plain.append(Finding(workload: workload.name, plainSeconds: inSeconds(clock.now - start)))
            return outputs
        }
        let jobs = workloads.indices.flatMap { workload in policies.map { (workload: workload, policy: $0) } }
        let findings = Mutex(plain)
        let done = Atomic(0)
        let start = clock.now
        inParallel(jobs.count) { [self] index in
            let (number, policy) = jobs[index]
            var exploration = Exploration(
                policy: policy, schedules: (schedules + policies.count - 1) / policies.count, seed: seed)
            exploration.seconds = self.seconds.map { limit in
                let left = limit - inSeconds(clock.now - start)
                // Jobs that are still to come get as much as this one.
                return max(0, min(left, left * Double(processors) / Double(jobs.count - index)))
            }
            exploration.progress = { _, _ in progress(done.add(1, ordering: .relaxed).newValue) }
            let report = exploration.run(workloads[number], expecting: expected[number], rewriting: planting)
            findings.withLock {
                $0[number].schedules += report.schedules
                $0[number].seconds += report.seconds
                $0[number].interleavings.formUnion(report.interleavings)
                if let failure = report.failure { $0[number].failures.append(failure) }
                $0[number].isComplete = report.isComplete
            }
        }
        return findings.withLock { $0 }
    }

    private var planting: @Sendable (Kernel) -> Kernel {
        guard let planted else { return { $0 } }
        return { kernel in
            var numbers: Set<Int> = []
            return kernel.applying(
                kernel.mutations.filter {
                    Self.fault(kernel, $0).contains(planted) && numbers.insert($0.number).inserted
                })
        }
    }
}

/// Seconds of a duration.
private func inSeconds(_ duration: Duration) -> Double {
    Double(duration.components.seconds) + Double(duration.components.attoseconds) * 1e-18
}
