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

    @Test(arguments: [".", "../here", "../here/."])
    func takesTheDirectoryThatItIsIn(_ name: String) throws {
        try TemporaryFolder.with { folder in
            #expect(mkdir(folder + "/here", 0o700) == 0)
            let result = try Program.shell(
                #"cd "$1/here" && shift && "$0" "$@""#, [folder, "checkpoint", "make", name] + Self.sizes)
            #expect(result.code == 0, "\(result.errors)")
            #expect(try Self.names(in: folder) == ["here"])
            #expect(try Self.names(in: folder + "/here").contains("config.json"))
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
                    "--ranks is '3'; it takes a number from 1 to 32 that divides the checkpoint's 4 experts"
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
