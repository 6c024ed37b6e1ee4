/// A command as a value: its arguments, its action, and the texts that help is generated from.
struct Command: Sendable {
    /// The last word of the command.
    let name: String
    /// One sentence.
    let summary: String
    /// Paragraphs for its own help.
    var discussion: [String] = []
    /// Arguments without a name, in order.
    var positionals: [Positional] = []
    /// Options and flags, in the order of help.
    var options: [any AnyOption] = []
    /// Commands below this one.
    var subcommands: [Command] = []
    /// Runs the command; returns the exit code. Nil for one that only has subcommands.
    var run: (@Sendable (Arguments) throws -> Int32)?

    /// An argument without a name.
    struct Positional: Sendable {
        /// The name in help.
        let name: String
        /// The description in help.
        let help: String
        /// Whether it must be given.
        var required = true
        /// Whether more of it may follow; for the last one only.
        var repeats = false
    }
}

/// The arguments of one call, parsed and checked.
struct Arguments: Sendable {
    private var values: [String: any Sendable] = [:]
    /// Arguments without a name, in order.
    fileprivate(set) var positionals: [String] = []

    /// The value given for an option, nil if it was not.
    subscript<Value>(option: Option<Value>) -> Value? { values[option.name] as? Value }

    /// The values given, by the options' names, for comparisons.
    var described: [(name: String, value: String)] {
        values.sorted { $0.key < $1.key }.map { ("--" + $0.key, "\($0.value)") }
    }

    /// Whether an option was given.
    func has(_ option: any AnyOption) -> Bool { values[option.name] != nil }

    /// Whether a flag was given.
    subscript(flag: Option<Bool>) -> Bool { values[flag.name] != nil }

    /// Keeps a value. Throws `UsageError.repeatedOption`.
    fileprivate mutating func set(_ option: any AnyOption, _ value: any Sendable) throws(UsageError) {
        guard values.updateValue(value, forKey: option.name) == nil else {
            throw .repeatedOption("--" + option.name)
        }
    }
}

extension Command {
    /// The request of a command line.
    enum Request {
        /// Run a command.
        case run(Command, Arguments)
        /// Print help of the command with these names, the root's first.
        case help(Command, path: [String])
        /// Print help of all commands.
        case allHelp
        /// Print the version.
        case version
    }

    /// Parses `words` to a request.
    ///
    /// Throws a `UsageError` that names the first word that is wrong and what would be valid.
    func parse(_ words: [String], path: [String] = []) throws(UsageError) -> Request {
        let path = path + [name]
        guard !subcommands.isEmpty else { return try parseOptions(words, path: path) }
        guard let word = words.first else { return .help(self, path: path) }
        if word == "--help" || word == "-h" { return .help(self, path: path) }
        if word == "--version", path.count == 1 { return .version }
        if word == "--help-all", path.count == 1 { return .allHelp }
        if word == "help", path.count == 1 { return try parse(Array(words.dropFirst()) + ["--help"]) }
        guard let command = subcommands.first(where: { $0.name == word }) else {
            throw .unknownCommand(word, path: path, valid: subcommands.map(\.name))
        }
        return try command.parse(Array(words.dropFirst()), path: path)
    }

    private func parseOptions(_ words: [String], path: [String]) throws(UsageError) -> Request {
        var arguments = Arguments()
        var rest = words[...]
        var onlyPositionals = false
        // Asked for help, a command helps whatever else is wrong.
        if words.prefix(while: { $0 != "--" }).contains(where: { $0 == "--help" || $0 == "-h" }) {
            return .help(self, path: path)
        }
        while let word = rest.popFirst() {
            if onlyPositionals || !word.hasPrefix("-") || word == "-" {
                arguments.positionals.append(word)
            } else if word == "--" {
                onlyPositionals = true
            } else {
                try parseOption(word, &rest, into: &arguments, path)
            }
        }
        for (index, word) in arguments.positionals.enumerated() where word.isEmpty {
            guard let positional = index < positionals.count ? positionals[index] : positionals.last else { break }
            throw .invalidValue(option: positional.name, value: word, expected: "a text that is not empty")
        }
        guard positionals.last?.repeats ?? false || arguments.positionals.count <= positionals.count else {
            throw .unexpectedArgument(arguments.positionals[positionals.count], path: path)
        }
        if arguments.positionals.count < positionals.count, positionals[arguments.positionals.count].required {
            throw .missingArgument(positionals[arguments.positionals.count].name, path: path)
        }
        return .run(self, arguments)
    }

    private func parseOption(
        _ word: String, _ rest: inout ArraySlice<String>, into arguments: inout Arguments, _ path: [String]
    ) throws(UsageError) {
        let parts = word.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
        guard let option = options.first(where: { "--" + $0.name == parts[0] }) else {
            throw .unknownOption(String(parts[0]), path: path, valid: options.map { "--" + $0.name } + ["--help"])
        }
        var text = parts.count == 2 ? String(parts[1]) : nil
        if option.placeholder == nil {
            guard text == nil else {
                throw .invalidValue(option: "--" + option.name, value: text ?? "", expected: "no value: it is a flag")
            }
            text = ""
        } else if text == nil {
            text = rest.popFirst()
        }
        guard let text else { throw .missingValue(option: "--" + option.name, placeholder: option.placeholder ?? "") }
        try arguments.set(option, option.value(of: text))
    }
}
