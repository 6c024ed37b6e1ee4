/// `swiftep checkpoint`
enum CheckpointCommand {
    static let directory = Command.Positional(name: "DIR", help: "Directory of the checkpoint.")

    static let command = Command(
        name: "checkpoint",
        summary: "Makes checkpoints with random weights, and looks into checkpoints.",
        subcommands: [MakeCheckpointCommand.command, InspectCheckpointCommand.command])
}
