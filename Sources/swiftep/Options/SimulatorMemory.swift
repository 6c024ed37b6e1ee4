import ExpertKernels

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#elseif canImport(Darwin)
    import Darwin
#endif

/// Limits of the simulator's device memory, which is memory of this machine: a process that asks for more than there is
/// gets killed.
enum SimulatorMemory {
    /// Bytes that the machine has.
    static let available = sysconf(Int32(_SC_PHYS_PAGES)) * sysconf(Int32(_SC_PAGESIZE))

    /// Throws `UsageError` naming the options, where they certainly ask for too much.
    static func check(_ bytes: Int, options: String) throws(UsageError) {
        guard bytes > available else { return }
        throw .conflict(
            "\(options) ask for \(bytes) bytes, and the simulator runs in the memory of this machine, which has "
                + "\(available); choose smaller values")
    }

    /// The same for a layer: the windows and outputs of all ranks, `weightSets` sets of weights, and the memory of other
    /// work between steps.
    static func check(
        _ shape: LayerShape, weightSets: Int, between: BetweenWork.Amount? = nil
    ) throws(UsageError) {
        let experts = shape.ranks * shape.rankExperts
        let rows = shape.ranks * RankWindow(shape, .float8).bytes + experts * shape.maxRows * shape.paddedHidden * 2
        try check(
            rows + weightSets * experts * 3 * shape.paddedIntermediate * shape.paddedHidden
                + (between?.memoryBytes ?? 0),
            options: "--hidden, --intermediate, --experts, --ranks\(between == nil ? " and" : ",") --tokens"
                + (between == nil ? "" : " and --between"))
    }
}
