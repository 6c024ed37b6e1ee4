/// The command that all others are below.
enum Root {
    /// Version of the package.
    static let version = "0.1.0"

    static let command = Command(
        name: "swiftep",
        summary: "Expert-parallel Mixture-of-Experts decode on a GPU, or on a simulator of one.",
        discussion: [
            "Exit codes: 0 for success, 1 when something failed or did not verify, 64 for a command line that cannot be "
                + "followed."
        ],
        subcommands: [
            RunCommand.command, VerifyCommand.command, ExploreCommand.command, MutateCommand.command,
            PTXCommand.command, CheckpointCommand.command, BenchCommand.command,
        ])

    /// Does what the words after the program's name ask for; gives the exit code.
    static func run(_ words: [String]) -> Int32 {
        do {
            switch try command.parse(words) {
            case .version:
                Console.result("swiftep \(version)")
                return 0
            case .help(let command, let path):
                Console.result(command.help(path: path))
                return 0
            case .run(let command, let arguments):
                return try command.run?(arguments) ?? 0
            }
        } catch let error as UsageError {
            Console.note("swiftep: error: \(error)")
            return 64
        } catch {
            Console.note("swiftep: error: \(error)")
            return 1
        }
    }
}
