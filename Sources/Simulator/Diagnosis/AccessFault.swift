import KernelLanguage

/// An access to memory that went wrong, and the memory nearest to it.
public struct AccessFault: Hashable, Sendable, CustomStringConvertible {
    /// Who accessed; nil for the host.
    public var place: ExecutionPlace?
    /// Global or shared memory.
    public var space: MemorySpace
    /// First byte of the access.
    public var address: UInt64
    /// Bytes accessed.
    public var bytes: Int
    /// The allocation that holds the address or lies nearest to it, if there is any.
    public var nearest: NearestAllocation?

    /// An allocation and where the address lies with respect to its start.
    public struct NearestAllocation: Hashable, Sendable {
        /// The label that it was made with.
        public var label: String
        /// Its size in bytes.
        public var bytes: Int
        /// Bytes from its start to the address; negative before it.
        public var offset: Int64
    }

    /// Place, size, address and nearest allocation.
    public var description: String {
        let who = place.map(\.description) ?? "host"
        let nearby =
            switch nearest {
            case nil: "no memory is allocated"
            case let nearest? where nearest.offset >= 0 && nearest.offset < Int64(nearest.bytes):
                "byte \(nearest.offset) of \(nearest.label) (\(nearest.bytes) bytes)"
            case let nearest? where nearest.offset < 0:
                "\(nearest.offset.magnitude) bytes before \(nearest.label) (\(nearest.bytes) bytes)"
            case let nearest?:
                "\(nearest.offset - Int64(nearest.bytes)) bytes past the end of \(nearest.label) (\(nearest.bytes) bytes)"
            }
        return "\(who): \(bytes) bytes at \(space) address 0x\(String(address, radix: 16)), \(nearby)"
    }
}
