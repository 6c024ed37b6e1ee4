import ExpertParallel
import Transport

/// The role of a process in a command.
enum ProcessRole {
    /// It is the only one.
    case alone
    /// It starts the others, and waits for them.
    case launcher(processes: Int)
    /// It is one of several.
    case member(Bootstrap)

    /// Throws `TransportError.environment` for variables of a launcher with unusable values, and `UsageError` for
    /// options that need several processes where there is one.
    init(_ arguments: Arguments, environment: [String: String]) throws {
        let asked = arguments[ProcessOptions.processes]
        if environment["SWIFTEP_PROCESS"] != nil || asked == nil {
            self = try Bootstrap(environment: environment).map { .member($0) } ?? .alone
        } else if let asked, asked > 1 {
            self = .launcher(processes: asked)
        } else {
            self = .alone
        }
        if case .alone = self, arguments[ProcessOptions.loseRank] != nil || arguments[ProcessOptions.restart] {
            throw UsageError.conflict("--lose-rank and --restart concern processes; give --processes 2 or more")
        }
        guard arguments[ProcessOptions.onFailure] == .mask || !arguments[ProcessOptions.restart] else {
            throw UsageError.conflict(
                "--restart takes a rank in again that the others have masked; add --on-failure mask")
        }
    }
}
