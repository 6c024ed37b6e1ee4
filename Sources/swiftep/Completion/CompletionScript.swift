/// Scripts that complete a command's words, made from the commands as help is.
struct CompletionScript {
    /// A command and the words that lead to it.
    private struct Place {
        let path: [String]
        let command: Command

        /// Itself and all below it.
        var all: [Place] {
            [self] + command.subcommands.flatMap { Place(path: path + [$0.name], command: $0).all }
        }

        /// The words that may follow the command.
        var words: [String] {
            command.subcommands.map(\.name) + command.options.map { "--" + $0.name } + ["--help"]
                + (path.count == 1 ? ["--help-all", "--version"] : [])
        }
    }

    /// The kind of value that follows an option.
    private enum Value {
        case choices([String])
        case files
        case something
    }

    private let places: [Place]

    /// Scripts for the root command.
    init(_ root: Command) { places = Place(path: [root.name], command: root).all }

    /// The script.
    func text(for shell: CompletionCommand.Shell) -> String {
        switch shell {
        case .bash: bash + "\ncomplete -F _swiftep swiftep"
        case .zsh: "#compdef swiftep\nautoload -U +X bashcompinit && bashcompinit\n" + self.text(for: .bash)
        case .fish: fish
        }
    }

    private static func value(of option: any AnyOption) -> Value? {
        guard let placeholder = option.placeholder else { return nil }
        if ["FILE", "DIR"].contains(placeholder) { return .files }
        // A choice, such as auto|cuda[:N]|simulator.
        let choices = placeholder.split(separator: "|").map { String($0.prefix { $0 != "[" }) }
        return choices.count > 1 ? .choices(choices) : .something
    }

    // MARK: bash

    private var bash: String {
        let levels = places.map { place in
            let path = place.path.joined(separator: " ")
            let options = place.command.options.compactMap { option -> String? in
                guard let value = Self.value(of: option) else { return nil }
                let candidates =
                    switch value {
                    case .choices(let choices): "$(compgen -W '\(choices.joined(separator: " "))' -- \"$word\")"
                    case .files: "$(compgen -f -- \"$word\")"
                    case .something: ""
                    }
                return "            --\(option.name)) COMPREPLY=(\(candidates)); return ;;\n"
            }
            let values = options.isEmpty ? "" : "        case $before in\n\(options.joined())        esac\n"
            return """
                    '\(path)')
                \(values)        words='\(place.words.joined(separator: " "))' ;;

                """
        }
        let commands = Set(places.dropFirst().map { $0.path.last ?? "" }).sorted().joined(separator: "|")
        return """
            _swiftep() {
                local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]} path=swiftep words='' i
                for ((i = 1; i < COMP_CWORD; i++)); do
                    case ${COMP_WORDS[i]} in \(commands)) path="$path ${COMP_WORDS[i]}" ;; *) break ;; esac
                done
                case $path in
            \(levels.joined())    esac
                COMPREPLY=($(compgen -W "$words" -- "$word"))
                if [ ${#COMPREPLY[@]} -eq 0 ]; then COMPREPLY=($(compgen -f -- "$word")); fi
            }
            """
    }

    // MARK: fish

    private var fish: String {
        places.flatMap { place in
            let below = place.command.subcommands.map(\.name)
            var condition = place.path.dropFirst().map { "__fish_seen_subcommand_from \($0)" }
            if !below.isEmpty { condition.append("not __fish_seen_subcommand_from \(below.joined(separator: " "))") }
            let start = "complete -c swiftep -n '\(condition.joined(separator: "; and "))'"
            let commands = place.command.subcommands.map { "\(start) -f -a \($0.name) -d '\(quoted($0.summary))'" }
            let options = place.command.options.map { option in
                let takes =
                    switch Self.value(of: option) {
                    case .choices(let choices): " -x -a '\(choices.joined(separator: " "))'"
                    case .files: " -r -F"
                    case .something: " -x"
                    case nil: ""
                    }
                return "\(start) -l \(option.name)\(takes) -d '\(quoted(firstSentence(option.help)))'"
            }
            return commands + options
        }.joined(separator: "\n")
    }

    private func firstSentence(_ text: String) -> String {
        text.split(separator: ".", maxSplits: 1).first.map { String($0) + "." } ?? text
    }

    private func quoted(_ text: String) -> String {
        text.replacing("\\", with: "\\\\").replacing("'", with: "\\'")
    }
}
