import Accelerator
import Simulator

/// Work whose schedules are explored: what it runs, on how large a machine, and what must come out whatever the
/// schedule.
package struct Workload: Sendable, CustomStringConvertible {
    /// Unique name with all values that tell it from its neighbours.
    package let name: String
    /// Multiprocessors of the machine: as few as the work can be done with, for short schedules.
    package let multiprocessors: Int
    /// The network between its ranks.
    package let network: NetworkConfiguration
    private let body: @Sendable (any Device) throws -> [[UInt16]]

    package init(
        _ name: String, multiprocessors: Int, network: NetworkConfiguration = NetworkConfiguration(),
        _ body: @escaping @Sendable (any Device) throws -> [[UInt16]]
    ) {
        self.name = name
        self.multiprocessors = multiprocessors
        self.network = network
        self.body = body
    }

    /// Does the work on a device of its own.
    ///
    /// - Returns: All outputs, as words of 16 bits.
    /// - Throws: `ConformanceFailure` for a wrong result, or what the library threw.
    package func run(on device: any Device) throws -> [[UInt16]] { try body(device) }

    /// The name.
    package var description: String { name }
}
