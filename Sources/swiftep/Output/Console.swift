#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#elseif canImport(Darwin)
    import Darwin
#endif

/// The two output streams: results on standard output, everything else on standard error.
///
/// Printed text may hold names from files, so control characters are escaped except those that make lines and columns.
enum Console {
    /// Writes a line to standard error, and ignores errors.
    static func note(_ text: String) {
        _ = writeAll(Array((visible(text, keeping: layout) + "\n").utf8), to: 2)
    }

    /// Writes a line about the progress to standard error, if that is a terminal.
    static func progress(_ text: @autoclosure () -> String) {
        if isatty(2) == 1 { note(text()) }
    }

    /// Writes a line to standard output at once, so that long runs can be watched through a pipe.
    static func result(_ text: String) throws(OutputError) {
        if let code = writeAll(Array((visible(text, keeping: layout) + "\n").utf8), to: 1) {
            throw .standardOutput(code: code)
        }
    }

    /// Closes standard output. Some file systems say only then that they have no room.
    static func finish() throws(OutputError) {
        if close(1) != 0, errno != EINTR { throw .standardOutput(code: errno) }
    }

    private static let layout: Set<Unicode.Scalar> = ["\n", "\t"]
}
