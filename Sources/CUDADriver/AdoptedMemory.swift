/// Device memory that its owner, not this object, allocates and frees.
package final class AdoptedMemory: DeviceRegion {
    /// The context in which the memory is used.
    package let context: Context
    /// The address of the first byte.
    package let address: UInt64
    /// The size in bytes.
    package let byteCount: Int
    private let whenReleased: @Sendable () -> Void

    /// Uses `byteCount` bytes at `address`, which must stay allocated as long as this object lives. They may be a part
    /// of an allocation, by CUDA's runtime or the driver, of addresses reserved for memory mapped later, or of memory
    /// that another process shares.
    ///
    /// - Parameter whenReleased: Called once, when the last reference has gone; not when this throws.
    /// - Throws: `DriverError.notDeviceMemory` for an address outside GPU memory, `.memoryOfOtherDevice`,
    ///   `.outOfBounds` for bytes beyond the end of the allocation, `.invalidArgument` for less than 1 byte,
    ///   `.callFailed`.
    package init(
        address: UInt64, byteCount: Int, context: Context, whenReleased: @escaping @Sendable () -> Void = {}
    ) throws {
        guard byteCount > 0 else {
            throw DriverError.invalidArgument(
                "Device memory of \(byteCount) bytes cannot be adopted; it has at least 1 byte.")
        }
        // The range of addresses, as cuMemGetAddressRange knows only one piece of what allocators map piece by piece.
        guard try context.attribute(.memoryType, of: address) == MemoryType.device,
            let ordinal = try context.attribute(.deviceOrdinal, of: address),
            let start = try context.attribute(.rangeStart, of: address),
            let size = try context.attribute(.rangeSize, of: address), start <= address
        else { throw DriverError.notDeviceMemory(address: address) }
        guard ordinal == UInt64(context.ordinal) else {
            throw DriverError.memoryOfOtherDevice(
                address: address, ordinal: Int(truncatingIfNeeded: ordinal), expected: context.ordinal)
        }
        let offset = address - start
        guard offset < size, UInt64(byteCount) <= size - offset else {
            throw DriverError.outOfBounds(
                memory: "the allocation at 0x\(String(start, radix: 16))", offset: Int(truncatingIfNeeded: offset),
                byteCount: byteCount, available: Int(truncatingIfNeeded: size))
        }
        self.context = context
        self.address = address
        self.byteCount = byteCount
        self.whenReleased = whenReleased
    }

    /// Uses memory that is known to be mapped in `context`; it may belong to another GPU or process.
    package init(mapped address: UInt64, byteCount: Int, context: Context) {
        (self.context, self.address, self.byteCount) = (context, address, byteCount)
        whenReleased = {}
    }

    deinit { whenReleased() }
}

/// Attributes of an address: `CUpointer_attribute`.
enum PointerAttribute: Int32 {
    case memoryType = 2
    case deviceOrdinal = 9
    case rangeStart = 11
    case rangeSize = 12
}

/// `CUmemorytype`
private enum MemoryType {
    static let device: UInt64 = 2
}

extension Context {
    /// An attribute of an address; nil for one that the driver does not know. Throws `DriverError.callFailed`.
    fileprivate func attribute(_ attribute: PointerAttribute, of address: UInt64) throws -> UInt64? {
        // Attributes have 4 or 8 bytes, the least significant first.
        var value: UInt64 = 0
        let known = try query(
            "cuPointerGetAttribute", "asking what memory is at 0x\(String(address, radix: 16))",
            no: ResultCode.invalidValue
        ) { $0.cuPointerGetAttribute(&value, attribute.rawValue, address) }
        return known ? value : nil
    }
}
