/// Host memory that the driver has pinned: copies to and from it on a stream are truly asynchronous, and kernels can
/// read and write it directly, which lets the host watch a kernel that is still running.
package final class PinnedMemory: @unchecked Sendable {
    // Sendable: the pointer is a constant. As with every buffer, the users order their accesses to the bytes.

    /// The context that owns the memory.
    package let context: Context
    /// The bytes, zero at first; valid as long as this object.
    package let bytes: UnsafeMutableRawBufferPointer
    /// The address under which kernels see the first byte.
    package let deviceAddress: UInt64

    /// Allocates `byteCount` bytes, at least 1, page-aligned and zero.
    ///
    /// Throws `DriverError.invalidArgument`, or `.callFailed`.
    package init(byteCount: Int, context: Context) throws {
        guard byteCount > 0 else {
            throw DriverError.invalidArgument(
                "Pinned memory of \(byteCount) bytes cannot be allocated; ask for at least 1 byte.")
        }
        let portable: UInt32 = 1
        let mapped: UInt32 = 2
        let base = try context.create("cuMemHostAlloc", "allocating \(byteCount) bytes of pinned host memory") {
            $0.cuMemHostAlloc($1, byteCount, portable | mapped)
        }
        var deviceAddress: UInt64 = 0
        do {
            try context.call("cuMemHostGetDevicePointer_v2", "asking where the GPU sees pinned host memory") {
                $0.cuMemHostGetDevicePointer(&deviceAddress, base, 0)
            }
        } catch {
            context.release { $0.cuMemFreeHost(base) }
            throw error
        }
        self.context = context
        self.bytes = UnsafeMutableRawBufferPointer(start: base, count: byteCount)
        self.deviceAddress = deviceAddress
        self.bytes.initializeMemory(as: UInt8.self, repeating: 0)
    }

    deinit {
        let bytes = self.bytes
        context.release { functions in bytes.baseAddress.map { functions.cuMemFreeHost($0) } ?? 0 }
    }

    /// The bytes at `offset`. Throws `DriverError.outOfBounds`.
    package func slice(at offset: Int, byteCount count: Int) throws -> UnsafeMutableRawBufferPointer {
        guard offset >= 0, count >= 0, count <= bytes.count, offset <= bytes.count - count else {
            throw DriverError.outOfBounds(
                memory: "the pinned host memory", offset: offset, byteCount: count, available: bytes.count)
        }
        return UnsafeMutableRawBufferPointer(rebasing: bytes[offset..<offset + count])
    }

    /// Reads `count` elements from the byte offset `offset`, which may be unaligned. Throws `DriverError.outOfBounds`
    /// or `.invalidArgument`.
    package func read<Element: BitwiseCopyable>(
        _ type: Element.Type, count: Int, at offset: Int = 0
    ) throws -> [Element] {
        let source = try slice(at: offset, byteCount: try CUDADriver.bytes(of: type, count: count))
        return (0..<count).map {
            source.loadUnaligned(fromByteOffset: $0 * MemoryLayout<Element>.stride, as: Element.self)
        }
    }

    /// Writes the elements to the byte offset `offset`. Throws `DriverError.outOfBounds`.
    package func write<Element: BitwiseCopyable>(_ elements: [Element], at offset: Int = 0) throws {
        try elements.withUnsafeBytes {
            try slice(at: offset, byteCount: $0.count).copyMemory(from: $0)
        }
    }
}
