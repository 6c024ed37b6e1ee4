import Testing

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

/// What becomes of output that cannot be written, and of what should not be written to a terminal.
@Suite struct OutputTests {
    /// One command line for each way in which commands print.
    private static let printing = [
        ["--help"], ["--version"], ["run", "--help"], RunTests.small + ["--overlap", "none"],
        RunTests.small + ["--overlap", "none", "--json"],
        ["verify", "--device", "simulator", "--list"], ["verify", "--device", "simulator", "--list", "--json"],
        ["verify", "--device", "simulator", "--filter", "bulk copies"],
        ["explore", "--list"], ["explore", "--filter", "stream read", "--schedules", "2"],
        ["mutate", "--filter", "stream"], ["ptx"], ["ptx", "--list", "--json"],
        ["bench", "ceiling", "--device", "simulator"],
    ]

    #if os(Linux)
        @Test(arguments: printing)
        func outputThatCannotBeWrittenIsAnError(_ words: [String]) throws {
            let result = try Program.shell(#""$0" "$@" >/dev/full"#, words)
            #expect(result.code == 74, "\(words): \(result.errors)")
            #expect(
                result.errors == "swiftep: error: cannot write to standard output: No space left on device\n",
                "\(words)")
        }

        @Test func errorsThatCannotBeWrittenChangeNothing() throws {
            #expect(try Program.shell(#""$0" rnu 2>/dev/full"#).code == 64)
            #expect(try Program.shell(#""$0" --version 2>/dev/full"#).code == 0)
        }
    #endif

    @Test func closedOutputIsAnError() throws {
        let result = try Program.shell(#""$0" --version >&-"#)
        #expect(result.code == 74)
        #expect(result.errors.hasPrefix("swiftep: error: cannot write to standard output: "), "\(result.errors)")
        #expect(try Program.shell(#""$0" rnu 2>&-"#).code == 64)
    }

    /// With standard output closed, the first file that is opened would get its number, and the report.
    @Test func noFileTakesThePlaceOfClosedOutput() throws {
        try TemporaryFolder.with { folder in
            let file = folder + "/timeline.json"
            let words = RunTests.small + ["--overlap", "none", "--timeline", file]
            let result = try Program.shell(#""$0" "$@" >&-"#, words)
            #expect(result.code == 74, "\(result.errors)")
            let text = String(decoding: try Data(contentsOf: URL(filePath: file)), as: UTF8.self)
            #expect(text.hasPrefix("{\"traceEvents\"") && !text.contains("verified"))
        }
    }

    @Test func aPipeThatNobodyReadsEndsItQuietly() throws {
        let result = try Program.shell(#"{ "$0" ptx; echo "code $?" >&2; } | head -n 1"#)
        #expect(result.output.hasPrefix(".version"))
        #expect(result.errors == "code 141\n")
        // Whoever ignores the signal wants to be told.
        let told = try Program.shell(#"trap '' PIPE; { "$0" ptx; echo "code $?" >&2; } | head -n 1"#)
        #expect(told.errors == "swiftep: error: cannot write to standard output: Broken pipe\ncode 74\n")
        // Where errors go is nothing to die of.
        let errors = try Program.shell(#"{ sleep 0.2; "$0" rnu 2>&3; echo "code $?"; } 3>&1 >&2 | true"#)
        #expect(errors.errors == "code 64\n")
    }

    @Test func errorsSpellOutWhatATerminalWouldObey() throws {
        for (words, part) in [
            (["ru\u{1B}[31mn"], "'ru\\u{1B}[31mn'"), (["run", "--tokens", "1\n2"], "'1\\u{A}2'"),
            (["run", "--a\u{202E}b"], "'--a\\u{202E}b'"),
            (["checkpoint", "inspect", "/no\r\u{9B}2J"], "/no\\u{D}\\u{9B}2J"),
            (["verify", "--device", "simulator", "--filter", "\u{7}\u{7F}"], "'\\u{7}\\u{7F}'"),
        ] {
            let errors = try Program.run(words).errors
            #expect(errors.contains(part), "\(errors)")
            let controls = errors.dropLast().unicodeScalars.filter { $0.properties.generalCategory == .control }
            #expect(controls.isEmpty && errors.hasSuffix("\n"), "\(errors)")
        }
    }

    @Test func namesOfFilesAreSpelledOut() throws {
        try TemporaryFolder.with { folder in
            let directory = folder + "/check\u{1B}[2J\u{9B}point\n  verified"
            let made = try Program.run([
                "checkpoint", "make", directory, "--hidden", "128", "--intermediate", "128", "--experts", "4", "--topk",
                "2",
            ])
            #expect(made.code == 0, "\(made.errors)")
            #expect(made.output.contains("check\\u{1B}[2J\\u{9B}point"))
            let inspected = try Program.run(["checkpoint", "inspect", directory, "--json"])
            #expect(!inspected.output.unicodeScalars.contains { $0 == "\u{1B}" || $0 == "\u{9B}" })
            struct Report: Decodable { let directory: String }
            let report = try JSONDecoder().decode(Report.self, from: Data(inspected.output.utf8))
            #expect(report.directory == directory)
            let run = try Program.run([
                "run", "--device", "simulator", "--checkpoint", directory, "--ranks", "2", "--tokens", "2", "--overlap",
                "none",
            ])
            #expect(run.output.contains("check\\u{1B}[2J\\u{9B}point\\u{A}  verified"), "\(run.output)")
        }
    }

    @Test func argumentsMustBeUTF8() throws {
        try TemporaryFolder.with { folder in
            let result = try Program.shell(#"cd "$1" && "$0" checkpoint make "$(printf 'a\377b')""#, [folder])
            #expect(result.code == 64)
            #expect(result.errors.contains("argument 3, 'a\u{FFFD}b', is not UTF-8"), "\(result.errors)")
            #expect(try FileManager.default.contentsOfDirectory(atPath: folder) == [])
        }
    }
}
