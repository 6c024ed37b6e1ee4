#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

/// A directory that is removed with everything in it when the object goes.
final class TemporaryDirectory: Sendable {
    let path: String

    init() throws {
        path = FileManager.default.temporaryDirectory.path + "/expert-parallel-\(UInt64.random(in: 0 ... .max))"
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    }

    deinit {
        try? FileManager.default.removeItem(atPath: path)
    }

    /// A temporary copy of the checkpoint that `Fixtures/make_safetensors.py` wrote.
    static func copyOfFixture() throws -> TemporaryDirectory {
        let directory = try TemporaryDirectory()
        for name in try FileManager.default.contentsOfDirectory(atPath: fixtures + "/tiny") {
            try FileManager.default.copyItem(atPath: fixtures + "/tiny/" + name, toPath: directory.path + "/" + name)
        }
        return directory
    }

    static let fixtures = URL(filePath: #filePath).deletingLastPathComponent().path + "/Fixtures"

    func read(_ name: String) throws -> [UInt8] {
        Array(try Data(contentsOf: URL(filePath: path + "/" + name)))
    }

    func write(_ bytes: some Sequence<UInt8>, to name: String) throws {
        try Data(bytes).write(to: URL(filePath: path + "/" + name))
    }

    /// Replaces the first occurrence of a text in a file, which may be binary; false when there is none.
    func replace(_ text: String, with other: String, in name: String) throws -> Bool {
        var bytes = try read(name)
        let wanted = Array(text.utf8)
        guard
            let start = bytes.indices.dropLast(wanted.count - 1).first(where: {
                bytes[$0..<$0 + wanted.count].elementsEqual(wanted)
            })
        else { return false }
        bytes.replaceSubrange(start..<start + wanted.count, with: Array(other.utf8))
        try write(bytes, to: name)
        return true
    }
}
