import Simulator

/// Which device a user asks for.
public enum DeviceChoice: String, CaseIterable, Hashable, Sendable {
    /// A GPU when there is one that can run the kernels, otherwise the simulator.
    case auto
    /// A GPU.
    case cuda
    /// The simulator.
    case simulator
}

/// A device that was opened, and what its user should know about the choice.
public struct OpenedDevice: Sendable {
    /// The device.
    public let device: any Device
    /// With `DeviceChoice.auto`: why it is not a GPU.
    public let note: String?
}

/// Opens a device.
///
/// - Parameters:
///   - choice: Which one.
///   - seed: Seed of the simulator's schedule; a GPU takes no notice of it.
///   - multiprocessors: Multiprocessors of the simulator, at least 1; a GPU has what it has.
/// - Throws: `DeviceError.driver` when a GPU is asked for and there is none that can run the kernels.
public func openDevice(
    _ choice: DeviceChoice, seed: UInt64 = 0, multiprocessors: Int = 132
) throws -> OpenedDevice {
    func simulated(_ note: String?) -> OpenedDevice {
        OpenedDevice(device: SimulatedDevice(seed: seed, multiprocessors: multiprocessors), note: note)
    }
    switch choice {
    case .cuda:
        return OpenedDevice(device: try CUDADevice(), note: nil)
    case .simulator:
        return simulated(nil)
    case .auto:
        do {
            return OpenedDevice(device: try CUDADevice(), note: nil)
        } catch let error as DeviceError {
            return simulated("The simulator is used, as no GPU is: \(error)")
        }
    }
}
