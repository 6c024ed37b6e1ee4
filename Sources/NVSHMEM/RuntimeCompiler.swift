import CUDADriver

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

/// NVRTC, which compiles CUDA C++ to PTX text without a GPU.
package struct RuntimeCompiler: Sendable {
    /// The version, such as `13.0`.
    package let version: String
    /// The path at which it was found.
    package let path: String
    private let functions: Functions

    private typealias Program = UnsafeMutableRawPointer
    private typealias Size = @convention(c) (Program, UnsafeMutablePointer<Int>) -> Int32
    private typealias Text = @convention(c) (Program, UnsafeMutablePointer<CChar>) -> Int32

    private struct Functions: @unchecked Sendable {
        // Sendable: addresses of code, set once.
        let create:
            @convention(c) (
                UnsafeMutablePointer<Program?>, UnsafePointer<CChar>, UnsafePointer<CChar>, Int32,
                UnsafePointer<UnsafePointer<CChar>?>?, UnsafePointer<UnsafePointer<CChar>?>?
            ) -> Int32
        let compile: @convention(c) (Program, Int32, UnsafePointer<UnsafePointer<CChar>?>) -> Int32
        let destroy: @convention(c) (UnsafeMutablePointer<Program?>) -> Int32
        let ptxSize, logSize: Size
        let ptx, log: Text

        init(_ library: DynamicLibrary) throws {
            create = try library.function("nvrtcCreateProgram")
            compile = try library.function("nvrtcCompileProgram")
            destroy = try library.function("nvrtcDestroyProgram")
            ptxSize = try library.function("nvrtcGetPTXSize")
            ptx = try library.function("nvrtcGetPTX")
            logSize = try library.function("nvrtcGetProgramLogSize")
            log = try library.function("nvrtcGetProgramLog")
        }
    }

    /// Opens the first of `candidates` that is there.
    ///
    /// - Throws: `NVSHMEMError.noCompiler`, `.unusable`.
    package init(_ candidates: [String]) throws(NVSHMEMError) {
        // NVRTC opens its builtins by their name, which the system's loader may not find.
        for path in candidates { Self.openBuiltins(beside: path) }
        guard let library = try? DynamicLibrary(candidates: candidates) else {
            throw .noCompiler(missing: "NVRTC", searched: candidates)
        }
        path = library.path
        var (major, minor): (Int32, Int32) = (0, 0)
        do {
            let version: @convention(c) (UnsafeMutablePointer<Int32>, UnsafeMutablePointer<Int32>) -> Int32 =
                try library.function("nvrtcVersion")
            _ = version(&major, &minor)
            functions = try Functions(library)
        } catch {
            throw .unusable(library: library.path, reason: "\(error)")
        }
        self.version = "\(major).\(minor)"
    }

    private static func openBuiltins(beside path: String) {
        let folder = path.split(separator: "/").dropLast().joined(separator: "/")
        let names = (try? FileManager.default.contentsOfDirectory(atPath: "/\(folder)")) ?? []
        let builtins = names.filter { $0.hasPrefix("libnvrtc-builtins.so.") }.sorted()
        guard path.hasPrefix("/"), !builtins.isEmpty else { return }
        _ = try? DynamicLibrary(candidates: builtins.map { "/\(folder)/\($0)" })
    }

    /// Compiles a text.
    ///
    /// - Throws: `NVSHMEMError.compilation` with the log.
    package func compile(_ text: String, options: [String]) throws(NVSHMEMError) -> String {
        var program: Program?
        guard functions.create(&program, text, "swiftep.cu", 0, nil, nil) == 0, let made = program else {
            throw .compilation(compiler: description, log: "it cannot be started")
        }
        defer { _ = functions.destroy(&program) }
        let status = withCStrings(options) { functions.compile(made, Int32(options.count), $0) }
        guard status == 0 else {
            throw .compilation(compiler: description, log: read(made, functions.logSize, functions.log))
        }
        return read(made, functions.ptxSize, functions.ptx)
    }

    private func read(_ program: Program, _ size: Size, _ text: Text) -> String {
        var count = 0
        guard size(program, &count) == 0, count > 0 else { return "" }
        var bytes = [CChar](repeating: 0, count: count)
        guard text(program, &bytes) == 0 else { return "" }
        return String(decoding: bytes.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    private var description: String { "NVRTC \(version) (\(path))" }
}

/// Calls `body` with texts as C strings, and a null pointer after the last.
func withCStrings<Result>(_ texts: [String], _ body: (UnsafePointer<UnsafePointer<CChar>?>) -> Result) -> Result {
    let copies = texts.map { strdup($0) }
    defer { for copy in copies { free(copy) } }
    let pointers = copies.map { UnsafePointer($0) } + [nil]
    return pointers.withUnsafeBufferPointer { buffer in
        guard let start = buffer.baseAddress else { preconditionFailure("there is one at least") }
        return body(start)
    }
}
