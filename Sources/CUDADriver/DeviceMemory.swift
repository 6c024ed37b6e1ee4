/// Memory on a GPU, freed when the last reference to it goes.
///
/// Freeing waits until the device has finished its work, so release memory only when no kernel spins for something that
/// this thread has yet to launch.
package final class DeviceMemory: DeviceRegion {
    /// The context that owns the memory.
    package let context: Context
    /// The address of the first byte, a multiple of 256.
    package let address: UInt64
    /// The size in bytes.
    package let byteCount: Int

    /// Allocates `byteCount` bytes, at least 1, whose contents are undefined.
    ///
    /// Throws `DriverError.invalidArgument`, or `.callFailed` with `CUDA_ERROR_OUT_OF_MEMORY` when there is too little.
    package init(byteCount: Int, context: Context) throws {
        guard byteCount > 0 else {
            throw DriverError.invalidArgument(
                "Device memory of \(byteCount) bytes cannot be allocated; ask for at least 1 byte.")
        }
        var address: UInt64 = 0
        try context.call("cuMemAlloc_v2", "allocating \(byteCount) bytes on GPU \(context.ordinal)") {
            $0.cuMemAlloc(&address, byteCount)
        }
        self.context = context
        self.address = address
        self.byteCount = byteCount
    }

    deinit {
        context.release { $0.cuMemFree(address) }
    }
}
