import CUDADriver

/// nvJitLink, which links PTX text with other text and with libraries of device code, without a GPU.
package struct JITLinker: Sendable {
    /// The path at which it was found.
    package let path: String
    private let functions: Functions

    private typealias Linker = UnsafeMutableRawPointer
    private typealias Size = @convention(c) (Linker, UnsafeMutablePointer<Int>) -> Int32
    private typealias Bytes = @convention(c) (Linker, UnsafeMutableRawPointer) -> Int32

    private struct Functions: @unchecked Sendable {
        // Sendable: addresses of code, set once.
        let create:
            @convention(c) (UnsafeMutablePointer<Linker?>, UInt32, UnsafePointer<UnsafePointer<CChar>?>) -> Int32
        let destroy: @convention(c) (UnsafeMutablePointer<Linker?>) -> Int32
        let add: @convention(c) (Linker, Int32, UnsafeRawPointer, Int, UnsafePointer<CChar>) -> Int32
        let complete: @convention(c) (Linker) -> Int32
        let programSize, logSize: Size
        let program, log: Bytes

        init(_ library: DynamicLibrary) throws {
            create = try library.function("nvJitLinkCreate")
            destroy = try library.function("nvJitLinkDestroy")
            add = try library.function("nvJitLinkAddData")
            complete = try library.function("nvJitLinkComplete")
            programSize = try library.function("nvJitLinkGetLinkedCubinSize")
            program = try library.function("nvJitLinkGetLinkedCubin")
            logSize = try library.function("nvJitLinkGetErrorLogSize")
            log = try library.function("nvJitLinkGetErrorLog")
        }
    }

    /// Opens the first of `candidates` that is there; nil if there is none.
    package init?(_ candidates: [String]) {
        guard let library = try? DynamicLibrary(candidates: candidates), let functions = try? Functions(library) else {
            return nil
        }
        (path, self.functions) = (library.path, functions)
    }

    /// Links inputs into a program for `sm_90a`. Fails with the linker's log.
    package func link(_ inputs: [DriverLinker.Input]) -> Result<[UInt8], LinkFailure> {
        var linker: Linker?
        let created = withCStrings(["-arch=sm_90a"]) { functions.create(&linker, 1, $0) }
        guard created == 0, let made = linker else { return .failure(LinkFailure("it cannot be started (\(created))")) }
        defer { _ = functions.destroy(&linker) }
        for input in inputs {
            // NVJITLINK_INPUT_PTX, whose text ends with a zero byte, and NVJITLINK_INPUT_LIBRARY.
            let (kind, bytes): (Int32, [UInt8]) =
                switch input {
                case .ptx(let text, _): (2, Array(text.utf8) + [0])
                case .library(let bytes, _): (6, bytes)
                }
            let added = functions.add(made, kind, bytes, bytes.count, input.name)
            guard added == 0 else { return .failure(LinkFailure("\(input.name) (\(added)): \(log(made))")) }
        }
        let status = functions.complete(made)
        var size = 0
        guard status == 0, functions.programSize(made, &size) == 0, size > 0 else {
            return .failure(LinkFailure("(\(status)): \(log(made))"))
        }
        var program = [UInt8](repeating: 0, count: size)
        guard functions.program(made, &program) == 0 else { return .failure(LinkFailure("it gives no program")) }
        return .success(program)
    }

    private func log(_ linker: Linker) -> String {
        var size = 0
        guard functions.logSize(linker, &size) == 0, size > 0 else { return "no log" }
        var bytes = [UInt8](repeating: 0, count: size)
        guard functions.log(linker, &bytes) == 0 else { return "no log" }
        return String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
    }
}

/// Why a linker failed.
package struct LinkFailure: Error, Hashable {
    /// Its log.
    package let text: String

    init(_ text: String) { self.text = text }
}
