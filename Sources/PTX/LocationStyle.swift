/// How PTX text names the line of Swift that emitted an instruction.
public enum LocationStyle: Hashable, Sendable {
    /// Not at all.
    case none
    /// A comment where the line changes, for readers.
    case comments
    /// `.file` and `.loc` directives. Assembled with line information they make profilers, debuggers and sanitizers
    /// show lines of Swift; instructions stay the same.
    case directives
}
