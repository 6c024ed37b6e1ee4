#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#elseif canImport(Darwin)
    import Darwin
#endif

/// A file in memory, read only; its bytes are fetched from disk when they are first touched.
///
/// A file that another process shortens while it is mapped raises `SIGBUS` on access, as with any mapping.
package final class MappedFile: @unchecked Sendable {
    // Unchecked because of the pointer only: the memory is never written and lives as long as the object.
    /// Where the file came from.
    package let path: String
    /// All bytes of the file, valid as long as this object.
    package let bytes: UnsafeRawBufferPointer

    /// Maps a regular file. Throws `fileUnreadable`.
    package init(path: String) throws(CheckpointError) {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else {
            throw .fileUnreadable(file: path, reason: systemErrorText(errno))
        }
        defer { close(descriptor) }
        var status = stat()
        guard fstat(descriptor, &status) == 0 else {
            throw .fileUnreadable(file: path, reason: systemErrorText(errno))
        }
        guard status.st_mode & S_IFMT == S_IFREG, let size = Int(exactly: status.st_size) else {
            throw .fileUnreadable(file: path, reason: "it is not a regular file")
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
    }

    deinit {
        if let address = bytes.baseAddress {
            munmap(UnsafeMutableRawPointer(mutating: address), bytes.count)
        }
    }
}

/// The system's text for an error number.
func systemErrorText(_ number: Int32) -> String {
    guard let text = strerror(number) else { return "error \(number)" }
    return String(cString: text)
}
