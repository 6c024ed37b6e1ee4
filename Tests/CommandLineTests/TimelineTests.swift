import Testing

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif
#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#elseif canImport(Darwin)
    import Darwin
#endif

/// `--timeline FILE`: what is written, and what is left alone.
@Suite struct TimelineTests {
    private static let words = RunTests.small + ["--overlap", "none", "--timeline"]

    private static func kind(of path: String) -> mode_t {
        var status = stat()
        return lstat(path, &status) == 0 ? status.st_mode & S_IFMT : 0
    }

    private static func text(_ path: String) throws -> String {
        String(decoding: try Data(contentsOf: URL(filePath: path)), as: UTF8.self)
    }

    @Test func writesNewFilesAndReplacesRegularOnes() throws {
        try TemporaryFolder.with { folder in
            let file = folder + "/timeline.svg"
            #expect(try Program.run(Self.words + [file]).code == 0)
            #expect(try Self.text(file).hasPrefix("<svg"))
            // Longer than what comes: nothing of it must be left.
            try Data(repeating: 120, count: 4_000_000).write(to: URL(filePath: file))
            #expect(link(file, folder + "/other name") == 0)
            #expect(try Program.run(Self.words + [file]).code == 0)
            #expect(try Self.text(file).hasSuffix("</svg>\n") || Self.text(file).hasSuffix("</svg>"))
            #expect(try Self.text(folder + "/other name") == Self.text(file))
        }
    }

    @Test func followsSymbolicLinks() throws {
        try TemporaryFolder.with { folder in
            for exists in [true, false] {
                let (target, name) = ("\(folder)/target \(exists)", "\(folder)/link \(exists)")
                if exists { try Data("old".utf8).write(to: URL(filePath: target)) }
                #expect(symlink(target, name) == 0)
                let result = try Program.run(Self.words + [name])
                #expect(result.code == 0, "\(result.errors)")
                #expect(Self.kind(of: name) == S_IFLNK)
                #expect(try Self.text(target).hasPrefix("{\"traceEvents\""))
            }
        }
    }

    /// Refused at once, and still there.
    @Test(.timeLimit(.minutes(5))) func leavesAloneWhatIsNoFile() throws {
        try TemporaryFolder.with { folder in
            let (pipe, link, device) = (folder + "/pipe", folder + "/link", folder + "/device")
            #expect(mkfifo(pipe, 0o600) == 0)
            #expect(symlink(pipe, link) == 0)
            var places = [(pipe, "a pipe", S_IFIFO), (link, "a pipe", S_IFLNK), (folder, "a directory", S_IFDIR)]
            #if os(Linux)
                // A null device of our own; only root may make one.
                if mknod(device, S_IFCHR | 0o600, 0x103) == 0 { places.append((device, "a device", S_IFCHR)) }
            #endif
            for (path, kind, type) in places {
                let result = try Program.run(Self.words + [path])
                #expect(result.code == 64)
                #expect(result.output == "")
                #expect(
                    result.errors
                        == "swiftep: error: --timeline is '\(path)'; it takes a regular file or a new name; "
                        + "this is \(kind)\n")
                #expect(Self.kind(of: path) == type)
            }
        }
    }

    @Test func refusesWhatCannotBeWrittenBeforeTheRun() throws {
        try TemporaryFolder.with { folder in
            for path in ["\(folder)/no/timeline", "\(folder)/timeline/", "/proc/nothing"] {
                // A run would first of all fail to make its checkpoint.
                let result = try Program.run(Self.words + [path], environment: ["TMPDIR": "/nonexistent"])
                #expect(result.code == 64, "\(result.errors)")
                #expect(result.errors.contains("--timeline is '\(path)'"), "\(result.errors)")
            }
            let output = try Program.shell(
                #"cd "$1" && shift && "$0" "$@" >report"#, [folder] + Self.words + ["report"])
            #expect(output.code == 64)
            #expect(output.errors.contains("standard output goes to this"))
        }
    }

    @Test func aRunThatFailsLeavesNoEmptyFile() throws {
        try TemporaryFolder.with { folder in
            let (new, old) = (folder + "/new", folder + "/old")
            try Data("old".utf8).write(to: URL(filePath: old))
            for path in [new, old] {
                #expect(try Program.run(Self.words + [path, "--communication-sms", "66"]).code == 64)
            }
            #expect(try FileManager.default.contentsOfDirectory(atPath: folder) == ["old"])
            #expect(try Self.text(old) == "old")
        }
    }

    #if os(Linux)
        @Test func aFailedWriteIsAnError() throws {
            try TemporaryFolder.with { folder in
                // No file may have more than a few blocks.
                let result = try Program.shell(
                    #"ulimit -f 40; TMPDIR=/nonexistent; "$0" "$@""#,
                    ["run", "--device", "simulator", "--checkpoint", try Self.checkpoint(in: folder), "--ranks", "2"]
                        + ["--tokens", "3", "--overlap", "none", "--timeline", folder + "/timeline"])
                #expect(result.code == 74, "\(result.errors)")
                #expect(result.errors == "swiftep: error: cannot write \(folder)/timeline: File too large\n")
                #expect(try FileManager.default.contentsOfDirectory(atPath: folder) == ["checkpoint"])
            }
        }
    #endif

    private static func checkpoint(in folder: String) throws -> String {
        let directory = folder + "/checkpoint"
        let sizes = ["--hidden", "128", "--intermediate", "128", "--experts", "4", "--topk", "2"]
        #expect(try Program.run(["checkpoint", "make", directory] + sizes).code == 0)
        return directory
    }
}
