/// A handle by which other processes open memory that a device made with
/// ``Device/allocateShareable(bytes:label:across:)``. It does not hold the size: send that too.
public enum SharedMemoryHandle: Sendable {
    /// A file, whose descriptor travels through a Unix socket. The receiver gets a descriptor of its own.
    case fileDescriptor(FileDescriptor)
    /// 64 bytes, which any channel carries. For other processes of the machine alone: the one that made the memory
    /// cannot open it.
    case legacyIPC([UInt8])
    /// 64 bytes, which any channel carries, also to other machines on the same NVLink fabric.
    case fabric([UInt8])

    /// The kinds of handle.
    public enum Kind: String, Hashable, Sendable {
        case fileDescriptor = "file descriptor"
        case legacyIPC = "IPC handle"
        case fabric = "fabric handle"
    }

    /// Which kind it is.
    public var kind: Kind {
        switch self {
        case .fileDescriptor: .fileDescriptor
        case .legacyIPC: .legacyIPC
        case .fabric: .fabric
        }
    }
}

/// The distance over which processes share memory.
public enum SharingReach: Hashable, Sendable {
    /// On the same machine.
    case machine
    /// On the same NVLink fabric. Where there is none, or it may not be used, the memory is shared on the machine.
    case fabric
}
