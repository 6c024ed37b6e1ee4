import Synchronization

/// The object behind a handle, and the device that made it, which lives as long as its handles do.
enum Backing<OnGPU: Sendable, InSimulator: Sendable>: Sendable {
    case cuda(OnGPU, CUDADevice)
    case simulated(InSimulator, SimulatedDevice)

    /// The object, if this device made it; otherwise nil.
    @inline(__always)
    func on(_ device: CUDADevice) -> OnGPU? {
        if case .cuda(let own, let owner) = self, owner === device { own } else { nil }
    }

    /// The object, if this device made it; otherwise nil.
    @inline(__always)
    func on(_ device: SimulatedDevice) -> InSimulator? {
        if case .simulated(let own, let owner) = self, owner === device { own } else { nil }
    }
}

/// A number for a handle, by which errors name it; never given twice in a process.
func newHandleNumber() -> Int { lastHandleNumber.add(1, ordering: .relaxed).newValue }

private let lastHandleNumber = Atomic<Int>(0)
