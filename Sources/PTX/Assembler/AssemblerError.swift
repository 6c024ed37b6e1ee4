/// Why a module was not assembled.
public enum AssemblerError: Error, Hashable, Sendable, CustomStringConvertible {
    /// No `ptxas` at any of these places.
    case notFound(searched: [String])
    /// The tool or a file that it needs could not be used.
    case system(action: String, code: Int32)
    /// `ptxas` refused the text. The messages name lines of it; `excerpt` is the line that the first one is about.
    case rejected(messages: String, excerpt: String?)

    /// One sentence.
    public var description: String {
        switch self {
        case .notFound(let searched):
            "ptxas is not at \(searched.joined(separator: ", ")); set \(Assembler.variable) to its path "
                + "or install it with pip install nvidia-cuda-nvcc==13.0.88"
        case .system(let action, let code):
            "cannot \(action): error \(code)"
        case .rejected(let messages, let excerpt):
            "ptxas rejects the module: \(messages)" + (excerpt.map { "\n  at: \($0)" } ?? "")
        }
    }
}
