import Testing

/// `swiftep completion`: what the script for bash offers in bash, and that the others know all options.
@Suite struct CompletionTests {
    @Test(
        "bash offers commands, options, choices and files",
        arguments: [
            (["r"], ["run"]), (["bench", "l"], ["layer"]), (["run", "--dev"], ["--device"]),
            (["run", "--device", "s"], ["simulator"]), (["checkpoint", "make", "--fam"], ["--family"]),
            (["run", "--tokens", ""], []), (["help", "x-no-such"], []), (["--vers"], ["--version"]),
        ])
    func bash(words: [String], offered: [String]) throws {
        let script = try Program.run(["completion", "bash"]).output
        let list = (["swiftep"] + words).map { "'\($0)'" }.joined(separator: " ")
        let call = "COMP_WORDS=(\(list)); COMP_CWORD=\(words.count); _swiftep; printf '%s\\n' \"${COMPREPLY[@]}\""
        let result = try Program.shell("bash -c \"$1\"", [script + "\n" + call])
        #expect(result.errors == "")
        #expect(result.output.split(separator: "\n").map(String.init) == offered)
    }

    @Test func allShellsKnowTheOptionsOfHelp() throws {
        let help = try Program.run(["--help-all"]).output
        let options = help.split(separator: "\n").compactMap { line -> String? in
            guard line.hasPrefix("  --") else { return nil }
            return String(line.dropFirst(4).prefix { $0 != " " })
        }
        #expect(options.count > 50)
        for shell in ["bash", "zsh", "fish"] {
            let script = try Program.run(["completion", shell]).output
            for option in Set(options).subtracting(["help", "help-all", "version"]) {
                #expect(script.contains(shell == "fish" ? "-l \(option) " : "--\(option)"), "\(shell): \(option)")
            }
        }
        let unknown = try Program.run(["completion", "tcsh"])
        #expect(unknown.code == 64)
        #expect(unknown.errors == "swiftep: error: SHELL is 'tcsh'; it takes bash, zsh or fish\n")
    }
}
