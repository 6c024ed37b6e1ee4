/// A stretch of a GPU's memory: its own (`DeviceMemory`) or another process's (`ImportedMemory`).
///
/// Offsets and counts are in bytes unless said otherwise. Every method checks its bounds and throws
/// `DriverError.outOfBounds`, and `DriverError.callFailed` when the driver reports an error.
///
/// The methods without a stream return when the work is done. They are not ordered with work on streams, and they are
/// not allowed while the calling thread captures a stream. The methods with a stream return at once; host memory that
/// they use must stay valid until the stream has passed them.
package protocol DeviceRegion: AnyObject, Sendable {
    /// The context in which `address` is valid.
    var context: Context { get }
    /// The address of the first byte, as kernels see it.
    var address: UInt64 { get }
    /// The size in bytes.
    var byteCount: Int { get }
}

extension DeviceRegion {
    /// Checks that `count` bytes at `offset` lie inside. Throws `DriverError.outOfBounds`.
    package func checkBounds(_ offset: Int, _ count: Int) throws {
        guard offset >= 0, count >= 0, count <= byteCount, offset <= byteCount - count else {
            throw DriverError.outOfBounds(
                memory: "the device memory at 0x\(String(address, radix: 16))", offset: offset, byteCount: count,
                available: byteCount)
        }
    }

    /// The address of the byte at `offset`, which may be one past the end. Throws `DriverError.outOfBounds`.
    package func address(at offset: Int) throws -> UInt64 {
        try checkBounds(offset, 0)
        return address + UInt64(offset)
    }
}

/// The number of bytes of `count` elements of a type. Throws `DriverError.invalidArgument` for a negative count and for
/// one whose bytes do not fit in an `Int`.
func bytes<Element: BitwiseCopyable>(of type: Element.Type, count: Int) throws -> Int {
    let (bytes, overflow) = count.multipliedReportingOverflow(by: MemoryLayout<Element>.stride)
    guard count >= 0, !overflow else {
        throw DriverError.invalidArgument("\(count) is no count of \(type) elements; use one from 0 that fits memory.")
    }
    return bytes
}
