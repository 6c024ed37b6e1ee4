/// A CUDA IPC handle of device memory: 64 bytes to send to other processes.
package struct IPCHandle: Hashable, Sendable {
    /// The size of a handle in bytes.
    package static let byteCount = 64

    /// The 64 bytes.
    package let bytes: [UInt8]

    /// Takes over bytes received from another process. Throws `DriverError.invalidArgument` unless there are 64.
    package init(bytes: [UInt8]) throws {
        guard bytes.count == Self.byteCount else {
            throw DriverError.invalidArgument(
                "A handle of shared device memory has \(Self.byteCount) bytes, not \(bytes.count); send it whole.")
        }
        self.bytes = bytes
    }

    /// The bytes as eight words in memory order.
    package var words: [UInt64] {
        bytes.withUnsafeBytes { raw in (0..<8).map { raw.loadUnaligned(fromByteOffset: $0 * 8, as: UInt64.self) } }
    }
}

extension DeviceMemory {
    /// A handle with which another process on this machine can open this memory.
    ///
    /// The driver places small allocations together, and sharing one shares its neighbours too: share memory whose size
    /// is a multiple of 2 MiB. This memory must live until the other process has closed it.
    ///
    /// Throws `DriverError.callFailed`.
    package func ipcHandle() throws -> IPCHandle {
        var bytes = [UInt8](repeating: 0, count: IPCHandle.byteCount)
        try context.call("cuIpcGetMemHandle", "sharing \(byteCount) bytes with other processes") { functions in
            bytes.withUnsafeMutableBytes { buffer in
                buffer.baseAddress.map { functions.cuIpcGetMemHandle($0, address) } ?? 1
            }
        }
        return try IPCHandle(bytes: bytes)
    }
}

/// Device memory of another process, closed when the last reference goes.
package final class ImportedMemory: DeviceRegion {
    /// The context into which the memory is mapped.
    package let context: Context
    /// The address of the first byte in this process.
    package let address: UInt64
    /// The size in bytes, as the caller gave it.
    package let byteCount: Int

    /// Opens another process's memory. `byteCount` is its size, which the handle does not hold and the driver cannot
    /// check. The memory may lie on another GPU, with peer access enabled as needed.
    ///
    /// Throws `DriverError.callFailed`, also for a handle that this very process made.
    package init(_ handle: IPCHandle, byteCount: Int, context: Context) throws {
        guard byteCount > 0 else {
            throw DriverError.invalidArgument(
                "Shared device memory has at least 1 byte, not \(byteCount); send its size along with the handle.")
        }
        let enablePeerAccess: UInt32 = 1
        let words = handle.words
        var address: UInt64 = 0
        try context.call("cuIpcOpenMemHandle_v2", "opening \(byteCount) bytes of another process") {
            callIPCOpen($0.cuIpcOpenMemHandle, &address, words, enablePeerAccess)
        }
        self.context = context
        self.address = address
        self.byteCount = byteCount
    }

    deinit {
        context.release { $0.cuIpcCloseMemHandle(address) }
    }
}
