import ExpertParallel
import TemporaryFiles

/// The command that all others are below.
enum Root {
    /// Version of the package.
    static let version = "0.1.0"

    static let command: Command = Command(
        name: "swiftep",
        summary: "Expert-parallel Mixture-of-Experts decode on a GPU, or on a simulator of one.",
        discussion: [
            "Exit codes: 0 for success, 1 when something failed or did not verify, 64 for a command line that cannot "
                + "be followed, 74 when standard output or a file that an option names could not be written.",
            "A signal such as that of Ctrl-C, or of a pipe that nobody reads any more, ends it by that signal. What "
                + "it has made and not finished is removed first.",
        ],
        subcommands: [
            RunCommand.command, VerifyCommand.command, ExploreCommand.command, MutateCommand.command,
            LitmusCommand.command, PTXCommand.command, CheckpointCommand.command, BenchCommand.command,
            DoctorCommand.command, CompletionCommand.command,
        ])

    /// Runs the command that the words after the program's name ask for; returns the exit code.
    static func run(_ words: () throws -> [String]) -> Int32 {
        do {
            let code = try follow(try words())
            TemporaryFiles.waitForRemoval()
            try Console.finish()
            return code
        } catch {
            // Some errors only come of a signal, whose handling removed files.
            TemporaryFiles.waitForRemoval()
            return exitCode(of: error)
        }
    }

    private static func follow(_ words: [String]) throws -> Int32 {
        switch try command.parse(words) {
        case .version:
            try Console.result("swiftep \(version)")
            return 0
        case .help(let command, let path):
            try Console.result(command.help(path: path))
            return 0
        case .allHelp:
            try Console.result(command.allHelp(path: [command.name]).joined(separator: "\n\n\n"))
            return 0
        case .run(let command, let arguments):
            return try command.run?(arguments) ?? 0
        }
    }

    /// Prints an error; returns the exit code for it.
    private static func exitCode(of error: any Error) -> Int32 {
        if let output = error as? OutputError, output.isBrokenPipe { Interruption.endByBrokenPipe() }
        // One sentence each, with names from outside; others may have lines on purpose.
        let isSentence =
            error is UsageError || error is OutputError || error is CheckpointError || error is LitmusFileError
        Console.note("swiftep: error: \(isSentence ? visible("\(error)") : "\(error)")")
        if let launch = error as? LaunchError { return launch.exitCode }
        return error is UsageError ? 64 : error is OutputError ? 74 : 1
    }
}
