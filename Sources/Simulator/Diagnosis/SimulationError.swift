/// Why the simulated machine stopped or refused a call.
public enum SimulationError: Error, Hashable, Sendable, CustomStringConvertible {
    /// An access outside of every allocation.
    case outOfBounds(AccessFault)
    /// A load or atomic operation on bytes that nobody has written.
    case uninitialised(AccessFault)
    /// An access at an address that is not a multiple of `alignment`.
    case misaligned(AccessFault, alignment: Int)
    /// An operation whose operands the hardware does not define either.
    case invalidOperation(ExecutionPlace, problem: String)
    /// Two accesses that nothing orders; only found with a schedule.
    case race(RaceReport)
    /// Nothing can run any more and nothing is under way, but work is left.
    case deadlock([BlockedWarp])
    /// More warp instructions than the configuration allows.
    case instructionLimit(UInt64)
    /// A launch whose arguments, grid or resources do not fit the kernel or the machine.
    case invalidLaunch(kernel: String, problem: String)
    /// A call from the host with an invalid argument.
    case invalidArgument(String)
    /// Work of the host in a stream threw this error.
    case hostWork(String)
    /// The machine stopped with this error before and takes no work until it is reset.
    case stopped(reason: String)

    /// One sentence, for deadlocks followed by one line per waiting warp.
    public var description: String {
        switch self {
        case .outOfBounds(let fault): return "out of bounds: \(fault)"
        case .uninitialised(let fault): return "read of uninitialised memory: \(fault)"
        case .misaligned(let fault, let alignment):
            return "misaligned: \(fault); the address must be a multiple of \(alignment)"
        case .invalidOperation(let place, let problem): return "\(place): \(problem)"
        case .race(let report): return report.description
        case .deadlock(let waiting):
            let shown = waiting.prefix(24).map { "\n  \($0)" }.joined()
            let more = waiting.count > 24 ? "\n  and \(waiting.count - 24) more" : ""
            return "deadlock: nothing can run and \(waiting.count) warps, blocks or streams wait:\(shown)\(more)"
        case .instructionLimit(let limit):
            return "the limit of \(limit) warp instructions is reached; raise instructionLimit if the work is that long"
        case .invalidLaunch(let kernel, let problem): return "launch of kernel \(kernel): \(problem)"
        case .invalidArgument(let problem): return problem
        case .hostWork(let problem): return "host work in a stream failed: \(problem)"
        case .stopped(let reason):
            return "the simulated machine stopped before and needs a reset; it stopped with: \(reason)"
        }
    }
}
