import Accelerator
import Conformance
import KernelLanguage
import Simulator
import Testing

/// A mutation survey leaves out schedules that do not lead to what is mutated: they must be the same with it and
/// without.
@Suite struct UnreachedMutationsTests {
    private struct Run: Equatable {
        var record: ScheduleRecord
        var statistics: SimulatorStatistics
        var outputs: [[UInt16]]
    }

    private static func run(
        _ workload: Workload, _ schedule: Schedule, rewriting: @escaping @Sendable (Kernel) -> Kernel = { $0 }
    ) throws -> (run: Run, device: SimulatedDevice) {
        let device = SimulatedDevice(
            configuration: SimulatorConfiguration(multiprocessors: workload.multiprocessors, schedule: schedule),
            rewriting: rewriting)
        let outputs = try workload.run(on: device)
        let record = try #require(device.scheduleRecord)
        return (Run(record: record, statistics: device.statistics, outputs: outputs), device)
    }

    /// Every choice, the order in which threads synchronised, the number of instructions and the time.
    @Test(arguments: [Schedule.random(seed: 3), .pct(seed: 1, depth: 3, length: 2_000)])
    func changeNothing(_ schedule: Schedule) throws {
        let name = "communication float8 experts=4 tokens=[3, 2]"
        let workload = try #require(try Workload.all().first { $0.name == name })
        let (plain, device) = try Self.run(workload, schedule)
        var (unreached, reached) = (0, 0)
        for kernel in device.launchedKernels {
            let digest = kernel.digest
            let isReached = try #require(device.reachedOperations[digest])
            for mutation in kernel.mutations {
                guard !mutation.isReached(isReached) else {
                    reached += 1
                    continue
                }
                guard kernel.runsAlikeUnreached(kernel.applying([mutation])) else { continue }
                unreached += 1
                let (mutated, _) = try Self.run(workload, schedule) {
                    $0.digest == digest ? $0.applying([mutation]) : $0
                }
                #expect(mutated == plain, "\(kernel.name): \(mutation)")
            }
        }
        #expect(unreached > 0 && reached > 10, "\(unreached) and \(reached)")
    }
}
