/// The location of physical memory: `CUmemLocation`.
package struct RawMemoryLocation: BitwiseCopyable {
    /// `CU_MEM_LOCATION_TYPE_DEVICE`
    package var type: Int32 = 1
    /// The GPU's number.
    package var ordinal: Int32

    package init(ordinal: Int) { self.ordinal = Int32(ordinal) }
}

/// The properties of physical memory to be allocated: `CUmemAllocationProp`.
package struct RawAllocationProperties: BitwiseCopyable {
    /// `CU_MEM_ALLOCATION_TYPE_PINNED`
    package var type: Int32 = 1
    package var handleTypes: UInt32
    package var location: RawMemoryLocation
    /// Only for Windows.
    package var windowsAttributes: UInt64 = 0
    package var compression: UInt8 = 0
    package var gpuDirectRDMACapable: UInt8
    package var usage: UInt16 = 0
    package var reserved: UInt32 = 0

    package init(handleTypes: MemoryHandleTypes, ordinal: Int, gpuDirectRDMACapable: Bool) {
        self.handleTypes = handleTypes.rawValue
        location = RawMemoryLocation(ordinal: ordinal)
        self.gpuDirectRDMACapable = gpuDirectRDMACapable ? 1 : 0
    }
}

/// The access to mapped memory: `CUmemAccessDesc`.
package struct RawAccessDescription: BitwiseCopyable {
    package var location: RawMemoryLocation
    /// `CU_MEM_ACCESS_FLAGS_PROT_READWRITE`
    package var flags: UInt32 = 3

    package init(ordinal: Int) { location = RawMemoryLocation(ordinal: ordinal) }
}

/// The kinds of handles by which physical memory can be exported: `CUmemAllocationHandleType`.
package struct MemoryHandleTypes: OptionSet, Hashable, Sendable {
    package let rawValue: UInt32
    package init(rawValue: UInt32) { self.rawValue = rawValue }

    /// By a descriptor of a file.
    package static let fileDescriptor = MemoryHandleTypes(rawValue: 1)
    /// By 64 bytes, also on other machines of an NVLink fabric.
    package static let fabric = MemoryHandleTypes(rawValue: 8)
}
