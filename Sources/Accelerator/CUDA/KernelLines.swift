#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#elseif canImport(Darwin)
    import Darwin
#endif

/// Whether kernels are loaded with the lines of Swift that their instructions come from, for tools such as
/// compute-sanitizer and Nsight Compute. Those wrap a whole program, so the program's environment says it: no call has
/// to pass it on.
enum KernelLines {
    /// The environment variable: empty and 0 are no, all else is yes.
    static let variable = "SWIFTEP_LINES"

    /// Whether the variable says yes.
    static var areWanted: Bool {
        guard let value = getenv(variable) else { return false }
        return !["", "0"].contains(String(cString: value))
    }
}
