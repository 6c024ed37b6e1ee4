import CUDADriver
import Simulator

/// Which device a user asks for.
public enum DeviceChoice: Hashable, Sendable {
    /// The first GPU when there is one that can run the kernels, otherwise the simulator. A GPU that is there and fails
    /// is an error.
    case auto
    /// The GPU with this number in the process, from 0.
    case cuda(_ ordinal: Int = 0)
    /// The simulator.
    case simulator
}

extension DeviceChoice: LosslessStringConvertible {
    /// The choice that a text stands for: `auto`, `cuda`, `cuda:1`, `simulator`; nil for other texts.
    public init?(_ description: String) {
        switch description {
        case "auto": self = .auto
        case "cuda": self = .cuda()
        case "simulator": self = .simulator
        default:
            let digits = description.dropFirst("cuda:".count)
            guard description.hasPrefix("cuda:"), !digits.isEmpty, digits.utf8.allSatisfy({ (48...57).contains($0) }),
                let ordinal = Int(digits)
            else { return nil }
            self = .cuda(ordinal)
        }
    }

    /// The text that `init(_:)` takes.
    public var description: String {
        switch self {
        case .auto: "auto"
        case .cuda(let ordinal): "cuda:\(ordinal)"
        case .simulator: "simulator"
        }
    }
}

extension DeviceError {
    /// Whether there is no GPU that could run the kernels, rather than one that does not work.
    fileprivate var meansNoGPU: Bool {
        guard case .driver(let error) = self else { return false }
        return switch error {
        case .libraryMissing, .symbolMissing, .driverTooOld, .noDevice, .noSuchDevice, .unsupportedDevice: true
        default: false
        }
    }
}

/// A device that was opened, and a note for its user about the choice.
public struct OpenedDevice: Sendable {
    /// The device.
    public let device: any Device
    /// With `DeviceChoice.auto`: why it is not a GPU.
    public let note: String?
}

/// Opens a device.
///
/// - Parameters:
///   - choice: The device to open.
///   - seed: Seed of the simulator's schedule; ignored by a GPU.
///   - multiprocessors: Multiprocessors of the simulator, at least 1; ignored by a GPU.
///   - localProcess: The number of this process among those of the machine that share a group of ranks; nil when it is
///     alone. Each takes the next GPU, and from the first one again where there are fewer; and the simulator follows
///     the clock of the machine, as other processes write to its memory while it runs.
///   - setAsideL2Bytes: Bytes of a GPU's L2 that are set aside, whatever callers ask for; see
///     ``CUDADevice/init(ordinal:setAsideL2Bytes:)``.
///   - network: Configuration of the simulator's network.
/// - Throws: `DeviceError.driver` when a GPU is asked for and there is none with that number, or it cannot run the
///   kernels.
public func openDevice(
    _ choice: DeviceChoice, seed: UInt64 = 0, multiprocessors: Int = 132, localProcess: Int? = nil,
    setAsideL2Bytes: Int? = nil, network: NetworkConfiguration = NetworkConfiguration()
) throws -> OpenedDevice {
    func simulated(_ note: String?) -> OpenedDevice {
        let configuration = SimulatorConfiguration(
            multiprocessors: multiprocessors, seed: seed, clock: localProcess == nil ? .simulated : .host,
            network: network)
        return OpenedDevice(device: SimulatedDevice(configuration: configuration), note: note)
    }
    func cuda(_ ordinal: Int) throws -> OpenedDevice {
        let count = try localProcess == nil ? 1 : CUDADevice.count()
        let chosen = localProcess.map { (ordinal + $0) % max(count, 1) } ?? ordinal
        return OpenedDevice(device: try CUDADevice(ordinal: chosen, setAsideL2Bytes: setAsideL2Bytes), note: nil)
    }
    switch choice {
    case .cuda(let ordinal): return try cuda(ordinal)
    case .simulator:
        return simulated(nil)
    case .auto:
        do {
            return try cuda(0)
        } catch let error as DeviceError where error.meansNoGPU {
            return simulated("The simulator is used, as no GPU is: \(error)")
        }
    }
}
