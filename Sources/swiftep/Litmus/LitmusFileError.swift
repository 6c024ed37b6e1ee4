/// A file with tests or expectations that cannot be used.
enum LitmusFileError: Error, Hashable, CustomStringConvertible {
    /// It cannot be read, and why.
    case unreadable(path: String, reason: String)
    /// It is longer than a test may be.
    case tooLong(path: String, bytes: Int, limit: Int)
    /// Its bytes are no text.
    case notUTF8(path: String)
    /// There is no test in the folder.
    case noTests(path: String)
    /// Folders in folders without an end.
    case tooDeep(path: String, limit: Int)
    /// A line of the expectations that is not `PATH,0` or `PATH,1`.
    case expectation(path: String, line: Int, text: String)
    /// Two lines of the expectations that contradict each other.
    case contradiction(path: String, line: Int, test: String)

    var description: String {
        switch self {
        case .unreadable(let path, let reason): "cannot read \(path): \(reason)"
        case .tooLong(let path, let bytes, let limit):
            "\(path) has \(bytes) bytes; a litmus test or a list of expectations has \(limit) at most"
        case .notUTF8(let path): "\(path) is no UTF-8 text"
        case .noTests(let path): "there is no file that ends with .litmus in \(path)"
        case .tooDeep(let path, let limit): "\(path) lies more than \(limit) folders deep; name its folder itself"
        case .expectation(let path, let line, let text):
            "\(path):\(line): '\(text)' is no expectation; write the path of a test, a comma, and 1 if its last line "
                + "holds or 0 if not"
        case .contradiction(let path, let line, let test): "\(path):\(line): \(test) is expected to be both 0 and 1"
        }
    }
}
