import TemporaryFiles

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#elseif canImport(Darwin)
    import Darwin
#endif

/// A file that an option names, opened before the work, so that no work is lost to a file that cannot be written.
///
/// Only a regular file is written to, where there is one, or where a symbolic link leads to one; at the end its content
/// is replaced, or added to. Anything else (devices, pipes, directories) is refused.
final class OutputFile {
    /// The path as it was given.
    let path: String
    private let opened: Opened

    /// Opens the file, or makes an empty one.
    ///
    /// - Parameter option: The option that named it, for errors.
    /// - Throws: `UsageError.invalidValue` for a path that is no regular file, or cannot be written.
    init(_ path: String, option: String) throws(UsageError) {
        var status = stat()
        let exists = stat(path, &status) == 0
        let code = errno
        let kind = exists ? Self.kind(status) : nil
        self.path = path
        if exists || code == ENOENT, kind == nil {
            opened = TemporaryFiles.noting {
                let opened = Opened(path, exists: exists)
                return (opened, opened.made)
            }
        } else {
            opened = Opened(failure: code)
        }
        // Initialised, it closes and removes what it has made when this throws.
        if let problem = problem(kind) {
            throw .invalidValue(option: option, value: path, expected: "a regular file or a new name; " + problem)
        }
    }

    /// The problem with the path, nil if there is none.
    private func problem(_ kind: String?) -> String? {
        if let kind { return "this is \(kind)" }
        if opened.descriptor < 0 { return "this cannot be written: \(String(cString: strerror(opened.failure)))" }
        var (own, output) = (stat(), stat())
        guard fstat(opened.descriptor, &own) == 0 else { return "this cannot be looked at" }
        if let kind = Self.kind(own) { return "this has become \(kind)" }
        if fstat(1, &output) == 0, output.st_dev == own.st_dev, output.st_ino == own.st_ino {
            return "standard output goes to this"
        }
        return nil
    }

    deinit {
        if opened.descriptor >= 0 { close(opened.descriptor) }
        // Unless it was written.
        if let made = opened.made { TemporaryFiles.remove(made) }
    }

    /// Replaces the content, without an interruption in the middle. Throws `OutputError.file`.
    func write(_ text: String) throws(OutputError) { try write(Array(text.utf8)) }

    /// The same with bytes.
    func write(_ bytes: [UInt8]) throws(OutputError) {
        try TemporaryFiles.finish(opened.made ?? path) { () throws(OutputError) in
            if let code = opened.replace(by: bytes) { throw .file(path, code: code) }
        }
    }

    /// Appends to the content, after anything that others have appended by now. Throws `OutputError.file`.
    func append(_ text: String) throws(OutputError) {
        try TemporaryFiles.finish(opened.made ?? path) { () throws(OutputError) in
            if let code = opened.append(text) { throw .file(path, code: code) }
        }
    }

    /// The kind of a file that is not a regular one; nil for a regular one.
    private static func kind(_ status: stat) -> String? {
        switch status.st_mode & S_IFMT {
        case S_IFREG: nil
        case S_IFDIR: "a directory"
        case S_IFIFO: "a pipe"
        case S_IFSOCK: "a socket"
        case S_IFCHR, S_IFBLK: "a device"
        default: "none"
        }
    }
}

/// The open file.
private struct Opened {
    let descriptor: Int32
    /// The file's real path, if it was not there before.
    let made: String?
    /// The system's error number, if there is no descriptor.
    let failure: Int32

    /// A file that could not be opened.
    init(failure: Int32) { (descriptor, made, self.failure) = (-1, nil, failure) }

    /// Opens the file, or creates it.
    init(_ path: String, exists: Bool) {
        // A pipe that has just taken the file's place must not block.
        let flags = O_WRONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK
        descriptor = open(path, exists ? flags : flags | O_CREAT, 0o666)
        failure = errno
        // Where a symbolic link leads, and not the link itself.
        if descriptor >= 0, !exists, let real = realpath(path, nil) {
            made = String(cString: real)
            free(real)
        } else {
            made = nil
        }
    }

    /// Replaces the content; gives the system's error number if that fails.
    func replace(by bytes: [UInt8]) -> Int32? {
        guard ftruncate(descriptor, 0) == 0 else { return errno }
        return write(bytes)
    }

    /// Adds to the content; gives the system's error number if that fails.
    func append(_ text: String) -> Int32? {
        guard fcntl(descriptor, F_SETFL, O_APPEND) == 0 else { return errno }
        return write(Array(text.utf8))
    }

    private func write(_ bytes: [UInt8]) -> Int32? {
        if let code = writeAll(bytes, to: descriptor) { return code }
        // Some file systems say only now that they have no room.
        return fsync(descriptor) == 0 || errno == EINVAL ? nil : errno
    }
}
