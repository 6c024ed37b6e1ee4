import KernelLanguage

/// A kernel prepared by a device, for launching. Unloaded with the last reference, after launches under way; graphs of
/// ``Device/capture(on:_:)`` hold one, graphs captured by other code do not.
public final class LoadedKernel: Sendable {
    /// Number by which errors name the prepared kernel: the same for one kernel on one device.
    public let id: Int
    /// The kernel.
    public let kernel: Kernel
    let backing: Backing<CUDAKernel, SimulatedKernel>

    init(id: Int, _ kernel: Kernel, _ backing: Backing<CUDAKernel, SimulatedKernel>) {
        self.id = id
        self.kernel = kernel
        self.backing = backing
    }

    deinit {
        switch backing {
        case .cuda(let kernel, let device): device.release(kernel)
        case .simulated(let kernel, let device): device.release([.kernel(kernel)])
        }
    }
}
