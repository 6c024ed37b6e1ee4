/// `swiftep completion`
enum CompletionCommand {
    /// Shells that there are scripts for.
    enum Shell: String, CaseIterable, Sendable {
        case bash, zsh, fish
    }

    static let command: Command = Command(
        name: "completion",
        summary: "Prints a script that completes commands and options in a shell.",
        discussion: [
            "For bash: swiftep completion bash > ~/.local/share/bash-completion/completions/swiftep",
            "For zsh, in a folder of fpath: swiftep completion zsh > _swiftep",
            "For fish: swiftep completion fish > ~/.config/fish/completions/swiftep.fish",
        ],
        positionals: [.init(name: "SHELL", help: "bash, zsh or fish.")],
        run: { arguments in
            let name = arguments.positionals[0]
            guard let shell = Shell(rawValue: name) else {
                throw UsageError.invalidValue(
                    option: "SHELL", value: name, expected: alternatives(Shell.allCases.map(\.rawValue)))
            }
            try Console.result(CompletionScript(Root.command).text(for: shell))
            return 0
        })
}
