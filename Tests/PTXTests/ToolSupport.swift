import PTX
import Testing

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

/// The assembler, where the tests find it.
enum Tool {
    /// The package's folder: the parent of `Tests`.
    private static let package = String("\(#filePath)".split(separator: "/Tests/PTXTests/")[0])
    private static let found = Result { () throws(AssemblerError) in try Assembler.find(from: package) }

    static var isAvailable: Bool { (try? found.get()) != nil }
    static func assemble(_ text: String, relocatable: Bool = false) throws -> PTXASReport {
        try found.get().assemble(text, relocatable: relocatable)
    }

    /// The sections of the cubin by name: `.text.` and a kernel's name hold its instructions.
    static func sections(_ text: String, lines: Bool) throws -> [String: [UInt8]] {
        let path = FileManager.default.temporaryDirectory.appending(path: "swiftep-\(UUID().uuidString).cubin")
        defer { try? FileManager.default.removeItem(at: path) }
        _ = try found.get().assemble(text, output: path.path, lines: lines)
        return try sections(ofELF: [UInt8](Data(contentsOf: path)))
    }

    private static func sections(ofELF file: [UInt8]) throws -> [String: [UInt8]] {
        func number(_ offset: Int, bytes: Int) throws -> Int {
            try #require(offset >= 0 && offset + bytes <= file.count, "the cubin ends at byte \(file.count)")
            return (0..<bytes).reduce(0) { $0 | Int(file[offset + $1]) << (8 * $1) }
        }
        let (table, size) = (try number(40, bytes: 8), try number(58, bytes: 2))
        let headers = (0..<(try number(60, bytes: 2))).map { table + $0 * size }
        let names = try number(headers[number(62, bytes: 2)] + 24, bytes: 8)
        var found: [String: [UInt8]] = [:]
        for header in headers {
            let name = file[(names + (try number(header, bytes: 4)))...].prefix { $0 != 0 }
            let (type, start) = (try number(header + 4, bytes: 4), try number(header + 24, bytes: 8))
            let isEmpty = type == 0 || type == 8  // of no kind, or without bytes in the file
            let count = isEmpty ? 0 : try number(header + 32, bytes: 8)
            found[String(decoding: name, as: UTF8.self)] = Array(file[start..<start + count])
        }
        return found
    }
}

extension Trait where Self == ConditionTrait {
    /// Skips the test where there is no `ptxas`.
    static var needsAssembler: Self {
        .enabled(
            if: Tool.isAvailable,
            "no ptxas in SWIFTEP_PTXAS, PATH or .build/ptxas; pip install nvidia-cuda-nvcc==13.0.88 brings one")
    }
}
