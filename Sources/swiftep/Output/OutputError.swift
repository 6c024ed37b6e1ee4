#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#elseif canImport(Darwin)
    import Darwin
#endif

/// An output that could not be written; ends with exit code 74.
enum OutputError: Error, CustomStringConvertible {
    /// Standard output, and the system's error number.
    case standardOutput(code: Int32)
    /// A file that an option names, and the system's error number.
    case file(String, code: Int32)

    /// Whether the reader of the pipe has gone.
    var isBrokenPipe: Bool {
        if case .standardOutput(EPIPE) = self { true } else { false }
    }

    /// One sentence.
    var description: String {
        switch self {
        case .standardOutput(let code): "cannot write to standard output: \(String(cString: strerror(code)))"
        case .file(let path, let code): "cannot write \(path): \(String(cString: strerror(code)))"
        }
    }
}
