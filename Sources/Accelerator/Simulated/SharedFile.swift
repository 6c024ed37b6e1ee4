#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#elseif canImport(Darwin)
    import Darwin
#endif

/// The identity of a descriptor's file.
struct FileIdentity: Hashable, Sendable {
    let device: UInt64
    let number: UInt64
}

/// A file in memory that processes map to share it.
struct SharedFile: Sendable {
    let descriptor: FileDescriptor
    let identity: FileIdentity
    /// Size in bytes.
    let bytes: Int

    /// The file of a descriptor.
    init(_ descriptor: FileDescriptor) throws(DeviceError) {
        var status = stat()
        guard fstat(descriptor.number, &status) == 0 else {
            throw .systemCall("fstat", code: errno, activity: "looking at shared memory")
        }
        self.descriptor = descriptor
        identity = FileIdentity(
            device: UInt64(truncatingIfNeeded: status.st_dev), number: UInt64(truncatingIfNeeded: status.st_ino))
        bytes = Int(status.st_size)
    }

    /// A new file of `bytes` zeros.
    init(bytes: Int) throws(DeviceError) {
        let descriptor = FileDescriptor(owning: try Self.make())
        guard ftruncate(descriptor.number, off_t(bytes)) == 0 else {
            throw .systemCall("ftruncate", code: errno, activity: "making \(bytes) bytes of shared memory")
        }
        try self.init(descriptor)
    }

    private static func make() throws(DeviceError) -> Int32 {
        // Not declared for Swift, and not available on every system.
        typealias MemoryFile = @convention(c) (UnsafePointer<CChar>, UInt32) -> Int32
        if let function = dlsym(nil, "memfd_create") {
            let closeOnExec: UInt32 = 1
            let descriptor = unsafeBitCast(function, to: MemoryFile.self)("swiftep", closeOnExec)
            if descriptor >= 0 { return descriptor }
            guard errno == ENOSYS else {
                throw .systemCall("memfd_create", code: errno, activity: "making shared memory")
            }
        }
        var path = Array("/tmp/swiftep-XXXXXX".utf8CString)
        let descriptor = mkstemp(&path)
        guard descriptor >= 0 else { throw .systemCall("mkstemp", code: errno, activity: "making shared memory") }
        unlink(path)
        _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
        return descriptor
    }
}

/// A file that a device has mapped, and its addresses on the simulated machine.
struct SharedUse {
    let mapping: SharedMapping
    /// One for each buffer.
    var addresses: [UInt64]
}

/// A file mapped into this process, until the last reference goes.
final class SharedMapping: @unchecked Sendable {
    // Sendable: the address is a constant; users order their accesses to the bytes.
    let file: SharedFile
    let memory: UnsafeMutableRawBufferPointer

    /// Maps all of the file.
    init(_ file: SharedFile) throws(DeviceError) {
        guard let start = mmap(nil, file.bytes, PROT_READ | PROT_WRITE, MAP_SHARED, file.descriptor.number, 0),
            start != MAP_FAILED
        else { throw .systemCall("mmap", code: errno, activity: "mapping \(file.bytes) bytes of shared memory") }
        self.file = file
        memory = UnsafeMutableRawBufferPointer(start: start, count: file.bytes)
    }

    deinit { if let start = memory.baseAddress { munmap(start, memory.count) } }
}
