import Accelerator
import KernelLanguage
import Simulator

extension Exploration {
    /// Runs a workload under many schedules, each on a simulated device of its own, and holds what comes out against what
    /// comes out of a plain simulation.
    ///
    /// - Parameter rewrite: What is done to every kernel before it is loaded; nothing unless faults are to be planted.
    /// - Throws: What the plain simulation, which runs kernels as they are, throws.
    public func run(
        _ workload: Workload, rewriting rewrite: @escaping @Sendable (Kernel) -> Kernel = { $0 }
    ) throws -> ExplorationReport<Bool> {
        let expected = try workload.run(on: SimulatedDevice(multiprocessors: workload.multiprocessors))
        var exploration = self
        exploration.configuration.multiprocessors = workload.multiprocessors
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
