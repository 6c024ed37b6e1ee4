import Transport

/// The options of commands whose ranks can be in processes of their own.
enum ProcessOptions {
    static let processes = Option<Int>.integer(
        "processes", in: 1...256,
        help:
            "Shares the ranks among this many processes of this machine, which the command starts and ends; each takes "
            + "the GPU of its number, and those that are too many share them. With 1 all ranks are in this process, "
            + "also under torchrun, srun and mpirun, whose processes otherwise share the ranks.")
}

/// Whose part a process has in a command.
enum ProcessRole {
    /// It is the only one.
    case alone
    /// It starts the others, and waits for them.
    case launcher(processes: Int)
    /// It is one of several.
    case member(Bootstrap)

    /// Throws `TransportError.environment` for variables of a launcher that say nothing usable.
    init(_ arguments: Arguments, environment: [String: String]) throws {
        let asked = arguments[ProcessOptions.processes]
        if environment["SWIFTEP_PROCESS"] == nil {
            if asked == 1 {
                self = .alone
                return
            }
            if let asked {
                self = .launcher(processes: asked)
                return
            }
        }
        self = try Bootstrap(environment: environment).map { .member($0) } ?? .alone
    }
}
