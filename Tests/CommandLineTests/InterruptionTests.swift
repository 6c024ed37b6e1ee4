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

/// Signals end the program as they would end any other, and it leaves nothing behind.
@Suite struct InterruptionTests {
    /// So much that it takes a second or more.
    private static let large = ["--hidden", "2048", "--intermediate", "1024", "--experts", "64"]
    private static let signals = [SIGHUP, SIGINT, SIGQUIT, SIGPIPE, SIGTERM]

    private static func names(in directory: String) -> [String] {
        (try? FileManager.default.contentsOfDirectory(atPath: directory)) ?? []
    }

    @Test(arguments: signals)
    func removesAnUnfinishedCheckpoint(_ signal: Int32) throws {
        try TemporaryFolder.with { folder in
            let result = try Program.interrupt(
                ["checkpoint", "make", folder + "/a/b/checkpoint"] + Self.large, by: signal,
                once: { Self.names(in: folder + "/a/b").contains { !Self.names(in: "\(folder)/a/b/\($0)").isEmpty } })
            #expect(result.code == 128 + signal)
            #expect(result.output == "" && result.errors == "")
            // With the directories that were made for it.
            #expect(Self.names(in: folder) == [])
        }
    }

    @Test(arguments: signals)
    func removesWhatARunHasMade(_ signal: Int32) throws {
        try TemporaryFolder.with { folder in
            let temporary = folder + "/temporary"
            #expect(mkdir(temporary, 0o700) == 0)
            let result = try Program.interrupt(
                ["run", "--device", "simulator", "--timeline", folder + "/timeline"] + Self.large,
                environment: ["TMPDIR": temporary], by: signal, once: { !Self.names(in: temporary).isEmpty })
            #expect(result.code == 128 + signal)
            #expect(result.output == "" && result.errors == "")
            #expect(Self.names(in: folder) == ["temporary"])
            #expect(Self.names(in: temporary) == [])
        }
    }

    @Test func keepsTheCheckpointThatWasToBeReplaced() throws {
        try TemporaryFolder.with { folder in
            let directory = folder + "/checkpoint"
            let small = ["--hidden", "128", "--intermediate", "128", "--experts", "4", "--topk", "2"]
            _ = try Program.run(["checkpoint", "make", directory] + small)
            let before = try Program.run(["checkpoint", "inspect", directory])
            #expect(before.code == 0, "\(before.errors)")
            let result = try Program.interrupt(
                ["checkpoint", "make", directory, "--overwrite"] + Self.large, by: SIGTERM,
                once: { Self.names(in: folder).count > 1 })
            #expect(result.code == 128 + SIGTERM)
            #expect(Self.names(in: folder) == ["checkpoint"])
            #expect(try Program.run(["checkpoint", "inspect", directory]).output == before.output)
        }
    }

    /// What `nohup` and shells ask to be ignored stays ignored.
    @Test func ignoresWhatItWasStartedToIgnore() throws {
        let script = #"trap '' HUP; "$0" "$@" & trap - HUP; sleep 0.2; kill -HUP $!; wait $!"#
        let result = try Program.shell(script, RunTests.small + ["--overlap", "none"])
        #expect(result.code == 0, "\(result.errors)")
        #expect(result.output.contains("verified: yes"))
    }

    @Test func removesWhatTheAssemblerWasGiven() throws {
        try TemporaryFolder.with { folder in
            let (temporary, tool) = (folder + "/temporary", folder + "/ptxas")
            #expect(mkdir(temporary, 0o700) == 0)
            try Data("#!/bin/sh\nexec sleep 5\n".utf8).write(to: URL(filePath: tool))
            #expect(chmod(tool, 0o700) == 0)
            let result = try Program.interrupt(
                ["ptx", "stream_read", "--report"], environment: ["TMPDIR": temporary, "SWIFTEP_PTXAS": tool],
                by: SIGTERM,
                once: { Self.names(in: temporary).contains { Self.names(in: "\(temporary)/\($0)").contains("log") } })
            #expect(result.code == 128 + SIGTERM)
            #expect(Self.names(in: temporary) == [])
        }
    }
}
