#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#elseif canImport(Darwin)
    import Darwin
#endif

/// A file descriptor of this process that is closed when the last reference goes.
public final class FileDescriptor: Sendable {
    /// The descriptor, from 0; valid as long as this object.
    public let number: Int32

    /// Takes over an open descriptor, which no other code may close.
    public init(owning number: Int32) { self.number = number }

    deinit { close(number) }

    /// Another descriptor of the same file, which programs that this process starts do not get.
    ///
    /// - Throws: `DeviceError.systemCall` when it is not open, or when the process has as many as it may.
    public func duplicate() throws -> FileDescriptor {
        let copy = fcntl(number, F_DUPFD_CLOEXEC, 0)
        guard copy >= 0 else { throw DeviceError.systemCall("fcntl", code: errno, activity: "copying a descriptor") }
        return FileDescriptor(owning: copy)
    }
}
