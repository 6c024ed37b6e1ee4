#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#elseif canImport(Darwin)
    import Darwin
#endif

/// The two output streams: results on standard output, everything else on standard error.
enum Console {
    /// Writes a line to standard error.
    static func note(_ text: String) {
        write(text + "\n", to: 2)
    }

    /// Writes a line about what is going on to standard error, if somebody sits there.
    static func progress(_ text: @autoclosure () -> String) {
        if isatty(2) == 1 { note(text()) }
    }

    /// Writes a line to standard output at once, so that long runs can be watched through a pipe.
    static func result(_ text: String) {
        write(text + "\n", to: 1)
    }

    private static func write(_ text: String, to descriptor: Int32) {
        var rest = Array(text.utf8)[...]
        while !rest.isEmpty {
            let written = rest.withUnsafeBytes { system(descriptor, $0) }
            if written < 0 {
                if errno == EINTR { continue }
                return
            }
            rest = rest.dropFirst(written)
        }
    }

    private static func system(_ descriptor: Int32, _ bytes: UnsafeRawBufferPointer) -> Int {
        #if canImport(Glibc)
            Glibc.write(descriptor, bytes.baseAddress, bytes.count)
        #elseif canImport(Musl)
            Musl.write(descriptor, bytes.baseAddress, bytes.count)
        #else
            Darwin.write(descriptor, bytes.baseAddress, bytes.count)
        #endif
    }
}
