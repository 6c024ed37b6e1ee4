extension Command {
    /// The help text, generated from the command's value.
    ///
    /// - Parameter path: Names of the command and those above it, the root's first.
    func help(path: [String]) -> String {
        var lines = wrapped(summary, indent: 0)
        lines += ["", "USAGE: \(usage(path))"]
        for paragraph in discussion {
            lines += [""] + wrapped(paragraph, indent: 0)
        }
        lines += section("ARGUMENTS", positionals.map { ($0.name, $0.help) })
        lines += section("COMMANDS", subcommands.map { ($0.name, $0.summary) })
        var entries = options.map { option in
            ("--" + option.name + (option.placeholder.map { " " + $0 } ?? ""), option.help)
        }
        if path.count == 1 {
            entries.append(("--version", "Print the version."))
            entries.append(("--help-all", "Print this help and that of all commands."))
        }
        entries.append(("-h, --help", "Print this help."))
        lines += section("OPTIONS", entries)
        if !subcommands.isEmpty {
            lines += ["", "'\(path.joined(separator: " ")) COMMAND --help' describes a command."]
        }
        return lines.joined(separator: "\n")
    }

    /// Help of the command and of all below it.
    func allHelp(path: [String]) -> [String] {
        [help(path: path)] + subcommands.flatMap { $0.allHelp(path: path + [$0.name]) }
    }

    private func usage(_ path: [String]) -> String {
        var words = path
        if !subcommands.isEmpty { words.append("COMMAND") }
        words += positionals.map { ($0.required ? $0.name : "[\($0.name)]") + ($0.repeats ? "..." : "") }
        if !options.isEmpty { words.append("[OPTIONS]") }
        return words.joined(separator: " ")
    }

    private func section(_ title: String, _ entries: [(String, String)]) -> [String] {
        guard !entries.isEmpty else { return [] }
        let column = 30
        var lines = ["", title]
        for (name, text) in entries {
            let head = "  " + name
            let body = wrapped(text, indent: column)
            if head.count + 2 <= column {
                let first = (body.first ?? "").dropFirst(head.count)
                lines += [head + first] + body.dropFirst()
            } else {
                lines += [head] + body
            }
        }
        return lines
    }
}

/// Breaks a text into lines of at most 100 columns.
private func wrapped(_ text: String, indent: Int) -> [String] {
    let margin = String(repeating: " ", count: indent)
    var lines: [String] = []
    var line = ""
    for word in text.split(separator: " ") {
        if !line.isEmpty, indent + line.count + 1 + word.count > 100 {
            lines.append(margin + line)
            line = ""
        }
        line += (line.isEmpty ? "" : " ") + word
    }
    lines.append(margin + line)
    return lines
}
