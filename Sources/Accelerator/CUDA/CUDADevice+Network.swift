import CUDADriver

/// Links kernels that have network operations with the functions of a network engine, which carries those out.
package protocol NetworkLinker: AnyObject, Sendable {
    /// Loads a kernel that calls the engine's functions.
    ///
    /// - Parameters:
    ///   - ptx: A module with the kernel alone.
    ///   - kernel: Its name.
    ///   - context: Where to load it. No kernel may spin there for work that comes later.
    func load(_ ptx: String, kernel: String, context: Context) throws -> Module
}

extension CUDADevice {
    /// Has `linker` link kernels with network operations from now on; nil for none. Kernels that are loaded stay as
    /// they are.
    package func setNetwork(_ linker: (any NetworkLinker)?) { networkLinker.withLock { $0 = linker } }

    /// Uses memory that an engine has mapped here, its own or another process's, as long as the buffer lives.
    ///
    /// - Throws: `DeviceError.allocation` for less than 1 byte.
    package func adopt(mapped address: UInt64, bytes: Int, label: String) throws(DeviceError) -> DeviceBuffer {
        guard bytes > 0 else { throw .allocation(label: label, bytes: bytes) }
        return buffer(AdoptedMemory(mapped: address, byteCount: bytes, context: context), label: label)
    }
}
