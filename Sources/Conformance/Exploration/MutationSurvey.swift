import KernelLanguage
import Simulator
import Synchronization

/// Mutates every kernel of some workloads, one operation at a time, and sees whether exploration finds it.
package struct MutationSurvey: Sendable {
    /// The workloads that run the kernels.
    package var workloads: [Workload]
    /// Schedules for each mutation and workload, half of them random and half PCT. What they do not find, and no reason
    /// is known for, gets four times as many.
    package var schedules: Int
    /// Only mutations whose kernel, line or operation contain this text.
    package var filter: String?
    /// Whether the mutation with a number, counted from 0 by kernel and line, is tried; the others are listed.
    package var tries: @Sendable (Int) -> Bool = { _ in true }

    /// A survey; see the properties.
    package init(workloads: [Workload], schedules: Int = 6, filter: String? = nil) {
        self.workloads = workloads
        self.schedules = schedules
        self.filter = filter
    }

    /// A weakened line of a kernel's source, in every kernel that was built from it, and what became of it.
    package struct Finding: Sendable {
        /// The kind of kernel.
        package var kernel: String
        /// The first of the mutations that are made together.
        package var mutation: Mutation
        /// The first failure that gave it away; nil if there was none.
        package var failure: String?
        /// Schedules tried, of all workloads together, including those that do not reach the line and need not run; 0
        /// if the mutation was not tried.
        package var schedules: Int
    }

    /// Mutations of one line, in every kernel of a kind that has it.
    private struct Candidate {
        let kernel: String
        let mutation: Mutation
        /// By kernel: their names need not differ.
        var mutations: [KernelDigest: [Mutation]]
        var kernels: [KernelDigest: Kernel]
        var workloads: [Int]

        /// Whether the mutation changes nothing for runs in which no thread reaches it.
        var isSilentUnreached: Bool {
            kernels.allSatisfy { digest, kernel in
                kernel.runsAlikeUnreached(kernel.applying(mutations[digest] ?? []))
            }
        }
    }

    private struct Baseline {
        let workload: Workload
        let outputs: [[UInt16]]
        let kernels: [Kernel]
        let instructions: UInt64
    }

    /// Runs the survey, on as many threads as there are processors.
    ///
    /// - Parameter progress: Called with each mutation that was tried, how many are done, and how many will be.
    /// - Returns: All mutations, by kernel and line.
    /// - Throws: What a workload throws when nothing is mutated.
    package func run(progress: @escaping @Sendable (Finding, Int, Int) -> Void = { _, _, _ in }) throws -> [Finding] {
        // The cheapest first: most mutations are found out by whatever runs them.
        let baselines = try baselines().sorted { $0.instructions < $1.instructions }
        let candidates = candidates(baselines)
        let unmutated = UnmutatedRuns()
        let findings = Mutex(candidates.map { Finding(kernel: $0.kernel, mutation: $0.mutation, schedules: 0) })
        let tried = candidates.indices.filter(tries)
        let done = Atomic(0)
        inParallel(tried.count) { number in
            let index = tried[number]
            var finding = examine(candidates[index], baselines, unmutated, schedules: schedules)
            if case .unexplained = finding.verdict {
                finding = examine(candidates[index], baselines, unmutated, schedules: 4 * schedules)
            }
            findings.withLock { $0[index] = finding }
            progress(finding, done.add(1, ordering: .relaxed).newValue, tried.count)
        }
        return findings.withLock { $0 }
    }

    private func baselines() throws -> [Baseline] {
        let found = Mutex([Result<Baseline, any Error>?](repeating: nil, count: workloads.count))
        inParallel(workloads.count) { index in
            let baseline = Result {
                let (outputs, kernels, instructions) = try workloads[index].plain()
                return Baseline(
                    workload: workloads[index], outputs: outputs, kernels: kernels, instructions: instructions)
            }
            found.withLock { $0[index] = baseline }
        }
        return try found.withLock { try $0.compactMap { try $0?.get() } }
    }

    private func candidates(_ baselines: [Baseline]) -> [Candidate] {
        var candidates: [Candidate] = []
        var numbers: [String: Int] = [:]
        for (index, baseline) in baselines.enumerated() {
            for kernel in baseline.kernels {
                let (kind, digest) = (Self.kind(kernel.name), kernel.digest)
                for (text, mutations) in Dictionary(grouping: kernel.mutations, by: { Survey.fault(kernel, $0) }) {
                    if let filter, !text.contains(filter) { continue }
                    let number = numbers[text] ?? candidates.count
                    if number == candidates.count {
                        numbers[text] = number
                        candidates.append(
                            Candidate(kernel: kind, mutation: mutations[0], mutations: [:], kernels: [:], workloads: [])
                        )
                    }
                    if candidates[number].workloads.last != index { candidates[number].workloads.append(index) }
                    candidates[number].mutations[digest] = mutations
                    candidates[number].kernels[digest] = kernel
                }
            }
        }
        return candidates.sorted {
            let (first, second) = ($0.mutation, $1.mutation)
            return ($0.kernel, first.location.file, first.location.line, first.description)
                < ($1.kernel, second.location.file, second.location.line, second.description)
        }
    }

    private func examine(
        _ candidate: Candidate, _ baselines: [Baseline], _ unmutated: UnmutatedRuns, schedules: Int
    ) -> Finding {
        var finding = Finding(kernel: candidate.kernel, mutation: candidate.mutation, schedules: 0)
        let mutate = { @Sendable (kernel: Kernel) in
            guard Self.kind(kernel.name) == candidate.kernel else { return kernel }
            return kernel.applying(candidate.mutations[kernel.digest] ?? [])
        }
        lazy var isSilentUnreached = candidate.isSilentUnreached
        for baseline in candidate.workloads.map({ baselines[$0] }) {
            var configuration = SimulatorConfiguration()
            // A kernel that waits for ever is found out too.
            configuration.instructionLimit = baseline.instructions * 4 + 100_000
            for policy in Survey.usualPolicies {
                let report = Exploration(
                    policy: policy, schedules: (schedules + 1) / 2, shrinkingRuns: 0, configuration: configuration
                ).run(
                    baseline.workload, expecting: baseline.outputs, rewriting: mutate,
                    knowing: { configuration in
                        guard
                            let run = unmutated.run(baseline.workload, configuration, expecting: baseline.outputs),
                            !run.reaches(candidate.mutations), isSilentUnreached
                        else { return nil }
                        return run.record
                    })
                finding.schedules += report.schedules
                if let failure = report.failure {
                    finding.failure = "\(failure.error)"
                    return finding
                }
            }
        }
        return finding
    }

    /// The kind of kernel that a name stands for.
    package static func kind(_ name: String) -> String {
        let kinds = [
            "dispatch_send", "dispatch_receive", "dispatch_unpack", "combine_send", "combine_receive", "gemm", "swiglu",
            "stream", "pack_weights", "rank_barrier", "network_packets",
        ]
        return kinds.first { name.hasPrefix($0) }?.replacing("_", with: " ") ?? name
    }
}
