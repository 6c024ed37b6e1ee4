#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#elseif canImport(Darwin)
    import Darwin
#endif

/// A file mapped read-only; its pages are read from disk when they are first touched.
///
/// A file that another process shortens while it is mapped raises `SIGBUS` on access, as with any mapping.
package final class MappedFile: @unchecked Sendable {
    // Unchecked because of the pointer only: the memory is never written and lives as long as the object.
    /// The path of the file.
    package let path: String
    /// All bytes of the file, valid as long as this object.
    package let bytes: UnsafeRawBufferPointer

    /// Maps a regular file. Throws `fileUnreadable`, and `fileIsPointer` for what Git LFS leaves in the place of a
    /// file.
    package convenience init(path: String) throws(CheckpointError) {
        try self.init(path: path, descriptor: Self.open(path))
    }

    /// Maps a regular file if there is anything of that name; nil if not. Throws as `init(path:)`.
    package static func ifPresent(path: String) throws(CheckpointError) -> MappedFile? {
        let descriptor = open(path)
        if descriptor < 0, errno == ENOENT { return nil }
        return try MappedFile(path: path, descriptor: descriptor)
    }

    /// A descriptor of the file, below 0 with `errno` set if there is none. Never waits: a pipe would, for its writer.
    private static func open(_ path: String) -> Int32 {
        #if canImport(Glibc)
            Glibc.open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC)
        #elseif canImport(Musl)
            Musl.open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC)
        #else
            Darwin.open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC)
        #endif
    }

    /// Maps what a descriptor has opened, and closes it.
    private init(path: String, descriptor: Int32) throws(CheckpointError) {
        guard descriptor >= 0 else {
            throw .fileUnreadable(file: path, reason: systemErrorText(errno))
        }
        defer { close(descriptor) }
        var status = stat()
        guard fstat(descriptor, &status) == 0 else {
            throw .fileUnreadable(file: path, reason: systemErrorText(errno))
        }
        guard status.st_mode & S_IFMT == S_IFREG, let size = Int(exactly: status.st_size) else {
            throw .fileUnreadable(file: path, reason: "it is \(kindOfFile(status.st_mode)) and not a regular file")
        }
        self.path = path
        guard size > 0 else {
            bytes = UnsafeRawBufferPointer(start: nil, count: 0)
            return
        }
        guard let address = mmap(nil, size, PROT_READ, MAP_PRIVATE, descriptor, 0), address != MAP_FAILED else {
            throw .fileUnreadable(file: path, reason: systemErrorText(errno))
        }
        bytes = UnsafeRawBufferPointer(start: address, count: size)
        guard !bytes.starts(with: "version https://git-lfs.github.com/spec/".utf8) else {
            throw .fileIsPointer(file: path)
        }
    }

    deinit {
        if let address = bytes.baseAddress {
            munmap(UnsafeMutableRawPointer(mutating: address), bytes.count)
        }
    }
}

/// The kind of a file that is not a regular one.
private func kindOfFile(_ mode: mode_t) -> String {
    switch mode & S_IFMT {
    case S_IFDIR: "a directory"
    case S_IFIFO: "a named pipe"
    case S_IFSOCK: "a socket"
    case S_IFCHR, S_IFBLK: "a device"
    default: "something else"
    }
}

/// The system's text for an error number.
func systemErrorText(_ number: Int32) -> String {
    guard let text = strerror(number) else { return "error \(number)" }
    return String(cString: text)
}
