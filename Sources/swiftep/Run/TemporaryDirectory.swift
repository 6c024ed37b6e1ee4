import Dispatch

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif
#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#elseif canImport(Darwin)
    import Darwin
#endif

/// A directory of this process, removed when it is told to or when the process is interrupted.
struct TemporaryDirectory {
    /// Where it lies.
    let path: String
    private let signals: [any DispatchSourceSignal]

    /// Makes a directory in `TMPDIR` or `/tmp`. Throws `TemporaryDirectoryError`.
    init() throws(TemporaryDirectoryError) {
        let parent = getenv("TMPDIR").map { String(cString: $0) } ?? "/tmp"
        var template = Array("\(parent)/swiftep-XXXXXX".utf8CString)
        guard let made = mkdtemp(&template) else { throw TemporaryDirectoryError(parent: parent, code: errno) }
        let path = String(cString: made)
        self.path = path
        signals = [SIGINT, SIGTERM].map { number in
            // The default action would end the process before the handler below runs.
            signal(number, SIG_IGN)
            let source = DispatchSource.makeSignalSource(signal: number, queue: .global())
            source.setEventHandler {
                try? FileManager.default.removeItem(atPath: path)
                signal(number, SIG_DFL)
                kill(getpid(), number)
            }
            source.resume()
            return source
        }
    }

    /// Removes the directory and what is in it.
    func remove() {
        for source in signals { source.cancel() }
        for number in [SIGINT, SIGTERM] { signal(number, SIG_DFL) }
        try? FileManager.default.removeItem(atPath: path)
    }
}

/// No temporary directory could be made.
struct TemporaryDirectoryError: Error, CustomStringConvertible {
    /// Where it was to be.
    let parent: String
    /// The system's error number.
    let code: Int32

    /// One sentence.
    var description: String {
        "cannot make a directory in \(parent): \(String(cString: strerror(code))); set TMPDIR to one that can be written to"
    }
}
