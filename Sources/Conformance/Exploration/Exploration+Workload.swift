import Accelerator
import KernelLanguage
import Simulator

extension Workload {
    /// What comes out of a plain simulation, the kernels that it runs, and how many warp instructions that takes.
    package func plain() throws -> (outputs: [[UInt16]], kernels: [Kernel], instructions: UInt64) {
        let device = SimulatedDevice(
            configuration: SimulatorConfiguration(multiprocessors: multiprocessors, network: network))
        let outputs = try run(on: device)
        return (outputs, device.launchedKernels, device.statistics.instructions)
    }
}

extension Exploration {
    /// Runs a workload under many schedules, each on a simulated device of its own, and holds what comes out against
    /// `expected`.
    ///
    /// - Parameters:
    ///   - expected: What a plain simulation gives.
    ///   - rewrite: What is done to every kernel before it is loaded; nothing unless faults are to be planted.
    package func run(
        _ workload: Workload, expecting expected: [[UInt16]],
        rewriting rewrite: @escaping @Sendable (Kernel) -> Kernel = { $0 }
    ) -> ExplorationReport<Bool> {
        var exploration = self
        exploration.configuration.multiprocessors = workload.multiprocessors
        exploration.configuration.network = workload.network
        return exploration.runTrials { configuration in
            let device = SimulatedDevice(configuration: configuration, rewriting: rewrite)
            let result = Result {
                do {
                    let found = try workload.run(on: device)
                    for (index, (found, expected)) in zip(found, expected).enumerated() {
                        try requireEqual("output \(index)", found, expected)
                    }
                    return true
                } catch DeviceError.simulation(let error) {
                    throw error
                }
            }
            return (result, device.scheduleRecord ?? ScheduleRecord())
        }
    }
}
