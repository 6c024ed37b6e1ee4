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

/// Where `swiftep checkpoint make` puts a checkpoint when its path is not that of a plain directory.
@Suite struct CheckpointPathTests {
    private static let sizes = ["--hidden", "128", "--intermediate", "128", "--experts", "4", "--topk", "2"]

    private static func names(in directory: String) throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: directory).sorted()
    }

    @Test func followsASymbolicLink() throws {
        try TemporaryFolder.with { folder in
            let (directory, link) = (folder + "/directory", folder + "/link")
            #expect(mkdir(directory, 0o700) == 0 && symlink(directory, link) == 0)
            for options in [[], ["--overwrite"]] {
                let result = try Program.run(["checkpoint", "make", link] + Self.sizes + options)
                #expect(result.code == 0, "\(result.errors)")
                #expect(try Self.names(in: folder) == ["directory", "link"])
                #expect(try Self.names(in: directory).contains("config.json"))
            }
            #expect(rename(directory, folder + "/other") == 0)
            let dangling = try Program.run(["checkpoint", "make", link] + Self.sizes)
            #expect(dangling.code == 1)
            #expect(dangling.errors.contains("a symbolic link that leads nowhere"), "\(dangling.errors)")
            #expect(try Self.names(in: folder) == ["link", "other"])
        }
    }

    /// It cannot be replaced under the feet of the shell. Refused before anything is written.
    @Test(arguments: [".", "../here", "../here/."])
    func leavesTheWorkingDirectoryAlone(_ name: String) throws {
        try TemporaryFolder.with { folder in
            #expect(mkdir(folder + "/here", 0o700) == 0)
            let script = #"cd "$1/here" && shift && "$0" "$@""#
            let result = try Program.shell(script, [folder, "checkpoint", "make", name] + Self.sizes)
            #expect(result.code == 1)
            #expect(result.errors.contains("/here cannot be written: it is the working directory"), "\(result.errors)")
            #expect(try Self.names(in: folder) == ["here"] && Self.names(in: folder + "/here") == [])
            // Another directory can be named like this.
            #expect(mkdir(folder + "/here/new", 0o700) == 0)
            let other = try Program.shell(script, [folder, "checkpoint", "make", "new/."] + Self.sizes)
            #expect(other.code == 0, "\(other.errors)")
            #expect(try Self.names(in: folder + "/here/new").contains("config.json"))
        }
    }

    @Test func namesTheOptionThatDoesNotFitACheckpoint() throws {
        try TemporaryFolder.with { folder in
            let directory = folder + "/checkpoint"
            #expect(try Program.run(["checkpoint", "make", directory] + Self.sizes).code == 0)
            for (options, message) in [
                (["--layer", "99"], "--layer is '99'; it takes a layer of \(directory) that has experts"),
                (
                    ["--ranks", "3"],
                    "--ranks is '3'; it takes a number from 1 to 256 that divides the checkpoint's 4 experts"
                ),
                (["--ranks", "2", "--communication-sms", "66"], "it takes a whole number from 0 to 65 here"),
            ] {
                let result = try Program.run(["run", "--device", "simulator", "--checkpoint", directory] + options)
                #expect(result.code == 64)
                #expect(result.errors.contains(message), "\(result.errors)")
            }
        }
    }
}
