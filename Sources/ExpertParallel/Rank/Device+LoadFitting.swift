import Accelerator
import KernelLanguage

extension Device {
    /// Prepares a kernel, and refuses one of which not even one block fits a multiprocessor.
    func loadFitting(_ kernel: Kernel) throws -> LoadedKernel {
        guard kernel.sharedBytes <= properties.sharedBytesPerBlock else {
            throw GroupError.kernelDoesNotFit(
                kernel: kernel.name, sharedBytes: kernel.sharedBytes, available: properties.sharedBytesPerBlock)
        }
        let loaded = try load(kernel)
        guard try blocksPerMultiprocessor(loaded) >= 1 else {
            throw GroupError.kernelDoesNotFit(
                kernel: kernel.name, sharedBytes: kernel.sharedBytes, available: properties.sharedBytesPerBlock)
        }
        return loaded
    }
}
