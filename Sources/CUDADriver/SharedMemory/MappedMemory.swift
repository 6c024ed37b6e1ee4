/// Physical memory at an address of its own in this process; unmapped when the last reference goes, after waiting until
/// the GPU has finished its work. The same memory can be mapped any number of times.
package final class MappedMemory: DeviceRegion {
    /// The physical memory.
    package let physical: PhysicalMemory
    /// The address of the first byte, a multiple of the granularity.
    package let address: UInt64
    /// The size in bytes; the physical memory may have more.
    package let byteCount: Int
    /// The context that can use it.
    package var context: Context { physical.context }

    /// Maps all of `physical` for its context's GPU, of which `byteCount` bytes are used.
    ///
    /// Throws `DriverError.outOfBounds`, or `.callFailed`, also when the memory is smaller than was said.
    package init(_ physical: PhysicalMemory, byteCount: Int) throws {
        guard byteCount >= 0, byteCount <= physical.byteCount else {
            throw DriverError.outOfBounds(
                memory: "the memory to be mapped", offset: 0, byteCount: byteCount, available: physical.byteCount)
        }
        let (context, functions, size) = (physical.context, physical.functions, physical.byteCount)
        var address: UInt64 = 0
        try context.call("cuMemAddressReserve", "reserving addresses for \(size) bytes") { _ in
            functions.cuMemAddressReserve(&address, size, 0, 0, 0)
        }
        let start = address
        do {
            try context.call("cuMemMap", "mapping \(size) bytes of shared memory") { _ in
                functions.cuMemMap(start, size, 0, physical.handle, 0)
            }
            do {
                var access = RawAccessDescription(ordinal: context.ordinal)
                try context.call("cuMemSetAccess", "letting GPU \(context.ordinal) use \(size) bytes") { _ in
                    functions.cuMemSetAccess(start, size, &access, 1)
                }
            } catch {
                context.release { _ in functions.cuMemUnmap(start, size) }
                throw error
            }
        } catch {
            context.release { _ in functions.cuMemAddressFree(start, size) }
            throw error
        }
        self.physical = physical
        self.address = address
        self.byteCount = byteCount
    }

    deinit {
        let (functions, start, size) = (physical.functions, address, physical.byteCount)
        context.release { driver in
            // Unlike cuMemFree, unmapping does not wait by itself.
            let waited = driver.cuCtxSynchronize()
            // While a stream is being captured, the driver does not wait. Kernels may still be using the memory then,
            // so it stays.
            if ResultCode.duringCapture.contains(waited) { return waited }
            _ = functions.cuMemUnmap(start, size)
            return functions.cuMemAddressFree(start, size)
        }
    }
}
