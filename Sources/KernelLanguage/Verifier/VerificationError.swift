/// Why a kernel is not valid.
public struct VerificationError: Error, Hashable, Sendable, CustomStringConvertible {
    /// Name of the kernel.
    public var kernel: String
    /// The operation, by its case name; empty when the kernel as a whole is at fault.
    public var operation: String
    /// Its operands, with types.
    public var operands: String
    /// The line of Swift that emitted it, if one did.
    public var location: SourceLocation?
    /// What is wrong, and what would be right.
    public var problem: String

    /// One line: place, kernel, operation with operands, problem.
    public var description: String {
        let place = location.map { "\($0): " } ?? ""
        let what = operation.isEmpty ? "" : ": \(operation)(\(operands))"
        return "\(place)kernel \(kernel)\(what): \(problem)"
    }
}
