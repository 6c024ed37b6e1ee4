/// Physical memory of a GPU, without an address, that other processes can open by handles. It is freed when no process
/// has it any more.
package final class PhysicalMemory: Sendable {
    /// The context of the GPU that uses it.
    package let context: Context
    /// The size in bytes, a multiple of the granularity.
    package let byteCount: Int
    /// The handles by which it can be exported; none for imported memory.
    package let handleTypes: MemoryHandleTypes
    let functions: VirtualMemoryFunctions
    /// The driver's handle.
    let handle: UInt64

    /// Makes at least `byteCount` bytes, for RDMA too where the GPU can.
    ///
    /// Throws `DriverError.invalidArgument` for less than 1 byte, `.callFailed`; the codes of
    /// `ResultCode.notShareable` say that handles of these types are not possible here.
    package init(byteCount: Int, handleTypes: MemoryHandleTypes, context: Context) throws {
        guard byteCount > 0 else {
            throw DriverError.invalidArgument(
                "Device memory of \(byteCount) bytes cannot be allocated; ask for at least 1 byte.")
        }
        let functions = try context.virtualMemory()
        var properties = RawAllocationProperties(
            handleTypes: handleTypes, ordinal: context.ordinal,
            gpuDirectRDMACapable: try context.attribute(.virtualMemoryRDMA) > 0)
        let size = try Self.roundedUp(byteCount, &properties, context, functions)
        var handle: UInt64 = 0
        try context.call("cuMemCreate", "allocating \(size) bytes to be shared on GPU \(context.ordinal)") { _ in
            functions.cuMemCreate(&handle, size, &properties, 0)
        }
        self.context = context
        self.byteCount = size
        self.handleTypes = handleTypes
        self.functions = functions
        self.handle = handle
    }

    /// Memory of another process, or of this one, by its descriptor, which stays the caller's. `byteCount` is the size
    /// that was asked for there; the driver cannot check it before the memory is mapped. It may lie on another GPU.
    ///
    /// Throws `DriverError.invalidArgument` for less than 1 byte, `.callFailed`.
    package convenience init(descriptor: Int32, byteCount: Int, context: Context) throws {
        let number = UnsafeMutableRawPointer(bitPattern: Int(descriptor))
        self.init(try Self.open(number, .fileDescriptor, byteCount, context), context)
    }

    /// The same by the 64 bytes of a fabric handle.
    package convenience init(fabricHandle: [UInt8], byteCount: Int, context: Context) throws {
        guard fabricHandle.count == Self.fabricHandleBytes else {
            throw DriverError.invalidArgument(
                "A fabric handle has \(Self.fabricHandleBytes) bytes, not \(fabricHandle.count); send it whole.")
        }
        var bytes = fabricHandle
        self.init(
            try bytes.withUnsafeMutableBytes { try Self.open($0.baseAddress, .fabric, byteCount, context) }, context)
    }

    private init(_ opened: (handle: UInt64, byteCount: Int, VirtualMemoryFunctions), _ context: Context) {
        self.context = context
        (handle, byteCount, functions) = opened
        handleTypes = []
    }

    private static func open(
        _ handle: UnsafeMutableRawPointer?, _ type: MemoryHandleTypes, _ byteCount: Int, _ context: Context
    ) throws -> (handle: UInt64, byteCount: Int, VirtualMemoryFunctions) {
        guard byteCount > 0 else {
            throw DriverError.invalidArgument(
                "Shared device memory has at least 1 byte, not \(byteCount); send its size along with the handle.")
        }
        let functions = try context.virtualMemory()
        var properties = RawAllocationProperties(
            handleTypes: type, ordinal: context.ordinal,
            gpuDirectRDMACapable: try context.attribute(.virtualMemoryRDMA) > 0)
        let size = try roundedUp(byteCount, &properties, context, functions)
        var own: UInt64 = 0
        try context.call("cuMemImportFromShareableHandle", "opening \(byteCount) bytes of another process") { _ in
            functions.cuMemImportFromShareableHandle(&own, handle, Int32(type.rawValue))
        }
        return (own, size, functions)
    }

    deinit {
        context.release { [functions, handle] _ in functions.cuMemRelease(handle) }
    }

    /// The size of a fabric handle in bytes.
    package static let fabricHandleBytes = 64

    /// A new descriptor, which the caller closes. Throws `DriverError.callFailed`.
    package func exportDescriptor() throws -> Int32 {
        var descriptor: Int32 = -1
        try context.call("cuMemExportToShareableHandle", "sharing \(byteCount) bytes by a descriptor") { _ in
            functions.cuMemExportToShareableHandle(
                &descriptor, handle, Int32(MemoryHandleTypes.fileDescriptor.rawValue), 0)
        }
        return descriptor
    }

    /// A fabric handle. Throws `DriverError.callFailed`.
    package func exportFabricHandle() throws -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: Self.fabricHandleBytes)
        try context.call("cuMemExportToShareableHandle", "sharing \(byteCount) bytes on the fabric") { _ in
            functions.cuMemExportToShareableHandle(&bytes, handle, Int32(MemoryHandleTypes.fabric.rawValue), 0)
        }
        return bytes
    }

    private static func roundedUp(
        _ byteCount: Int, _ properties: inout RawAllocationProperties, _ context: Context,
        _ functions: VirtualMemoryFunctions
    ) throws -> Int {
        var granularity = 0
        try context.call("cuMemGetAllocationGranularity", "asking in what steps memory can be shared") { _ in
            functions.cuMemGetAllocationGranularity(&granularity, &properties, 0)
        }
        let step = max(granularity, 1)
        guard byteCount <= Int.max - step else {
            throw DriverError.invalidArgument("No GPU has \(byteCount) bytes of memory; ask for less.")
        }
        return (byteCount + step - 1) / step * step
    }
}
