import Accelerator
import KernelLanguage
import Simulator

extension Workload {
    /// The outputs of a plain simulation, the kernels that it runs, and the number of its warp instructions.
    package func plain() throws -> (outputs: [[UInt16]], kernels: [Kernel], instructions: UInt64) {
        let device = SimulatedDevice(
            configuration: SimulatorConfiguration(multiprocessors: multiprocessors, network: network))
        let outputs = try run(on: device)
        return (outputs, device.launchedKernels, device.statistics.instructions)
    }

    /// Runs on a simulated device of its own, and compares its outputs with `expected`.
    ///
    /// - Parameters:
    ///   - configuration: The device's, with the schedule; multiprocessors and network are the workload's own.
    ///   - expected: The outputs of a plain simulation.
    ///   - rewrite: Applied to every kernel before it is loaded.
    func trial(
        _ configuration: SimulatorConfiguration, expecting expected: [[UInt16]],
        rewriting rewrite: @escaping @Sendable (Kernel) -> Kernel = { $0 }
    ) -> (result: Result<Bool, any Error>, device: SimulatedDevice) {
        var configuration = configuration
        configuration.multiprocessors = multiprocessors
        configuration.network = network
        let device = SimulatedDevice(configuration: configuration, rewriting: rewrite)
        let result = Result {
            do {
                let found = try run(on: device)
                for (index, (found, expected)) in zip(found, expected).enumerated() {
                    try requireEqual("output \(index)", found, expected)
                }
                return true
            } catch DeviceError.simulation(let error) {
                throw error
            }
        }
        return (result, device)
    }
}

extension Exploration {
    /// Runs a workload under many schedules, each on a simulated device of its own, and compares its outputs with
    /// `expected`.
    ///
    /// - Parameters:
    ///   - expected: The outputs of a plain simulation.
    ///   - rewrite: Applied to every kernel before it is loaded; does nothing unless faults are to be planted.
    ///   - known: The decisions of schedules that are known to succeed and need not run.
    package func run(
        _ workload: Workload, expecting expected: [[UInt16]],
        rewriting rewrite: @escaping @Sendable (Kernel) -> Kernel = { $0 },
        knowing known: (SimulatorConfiguration) -> ScheduleRecord? = { _ in nil }
    ) -> ExplorationReport<Bool> {
        runTrials { configuration in
            if let record = known(configuration) { return (.success(true), record) }
            let (result, device) = workload.trial(configuration, expecting: expected, rewriting: rewrite)
            return (result, device.scheduleRecord ?? ScheduleRecord())
        }
    }
}
