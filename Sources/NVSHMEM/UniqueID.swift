/// The identity of a job's processes, with the address where they meet: `nvshmemx_uniqueid_t`.
package struct UniqueID: Hashable, Sendable {
    /// The bytes that are sent to other processes.
    package let bytes: [UInt8]

    /// Size in bytes.
    package static let count = 128
    /// `(1 << 16) + sizeof(nvshmemx_uniqueid_t)`, the first word.
    package static let versionWord = Int32(1 << 16 + count)

    /// An ID that another process has sent; nil unless there are `count` bytes.
    package init?(bytes: [UInt8]) {
        guard bytes.count == Self.count else { return nil }
        self.bytes = bytes
    }
}

/// The attributes with which a process starts NVSHMEM: `nvshmemx_init_attr_t` in its first version, which all libraries
/// take.
package final class InitAttributes {
    /// The structure, which is passed to NVSHMEM.
    package let attributes: UnsafeMutableRawPointer
    /// The unique ID, to which the attributes point.
    package let uniqueID: UnsafeMutableRawPointer

    /// Size in bytes.
    package static let count = 144
    /// Places of the versions of the structure, of its arguments and of the unique ID's arguments, and their sizes.
    package static let versions = [(place: 0, size: 144), (place: 16, size: 128), (place: 24, size: 24)]

    /// Attributes with a unique ID, without a process number yet.
    package init(_ id: UniqueID) {
        attributes = .allocate(byteCount: Self.count, alignment: 16)
        uniqueID = .allocate(byteCount: UniqueID.count, alignment: 16)
        attributes.initializeMemory(as: UInt8.self, repeating: 0, count: Self.count)
        uniqueID.copyMemory(from: id.bytes, byteCount: UniqueID.count)
        for version in Self.versions {
            attributes.storeBytes(of: Int32(1 << 16 + version.size), toByteOffset: version.place, as: Int32.self)
        }
    }

    deinit {
        attributes.deallocate()
        uniqueID.deallocate()
    }
}
