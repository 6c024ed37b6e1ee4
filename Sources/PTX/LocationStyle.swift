/// How PTX text says which line of Swift asked for an instruction.
public enum LocationStyle: Hashable, Sendable {
    /// It does not.
    case none
    /// A comment where the line changes, for readers.
    case comments
    /// `.file` and `.loc` directives. Assembled with line information they make profilers, debuggers and sanitizers
    /// show lines of Swift; instructions stay the same.
    case directives
}
