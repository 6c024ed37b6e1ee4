import TemporaryFiles

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#elseif canImport(Darwin)
    import Darwin
#endif

/// NVIDIA's `ptxas`, which checks and assembles PTX text without a GPU and reports the resources of each kernel.
public struct Assembler: Sendable {
    /// Path of the tool.
    public let path: String

    /// The environment variable that names the tool.
    public static let variable = "SWIFTEP_PTXAS"

    /// The tool at `path`.
    public init(path: String) { self.path = path }

    /// Finds the tool: where `SWIFTEP_PTXAS` says, in `PATH`, or in `.build/ptxas` of `directory`.
    ///
    /// - Throws: `AssemblerError.notFound` with the places it looked at.
    public static func find(from directory: String = ".") throws(AssemblerError) -> Assembler {
        var places: [String] = []
        if let named = getenv(variable) {
            // A path that was asked for is not silently replaced by another.
            places = [String(cString: named)]
        } else {
            if let path = getenv("PATH") {
                places = String(cString: path).split(separator: ":").map { "\($0)/ptxas" }
            }
            places.append("\(directory)/.build/ptxas/nvidia/cu13/bin/ptxas")
        }
        guard let path = places.first(where: { access($0, X_OK) == 0 }) else { throw .notFound(searched: places) }
        return Assembler(path: path)
    }

    /// Assembles `text` for `sm_90a`.
    ///
    /// - Parameters:
    ///   - text: A PTX module.
    ///   - output: Path for the cubin, which is dropped if nil.
    ///   - lines: Whether the cubin has the line information of the text's `.loc` directives.
    ///   - relocatable: Whether it may call functions that another module defines, as kernels that need a network
    ///     adapter do. Such a cubin has to be linked before it can be loaded.
    /// - Returns: Registers, spills and warnings.
    /// - Throws: `AssemblerError.rejected` when the text is not valid, `.system` when the tool cannot be run.
    public func assemble(
        _ text: String, output: String? = nil, lines: Bool = false, relocatable: Bool = false
    ) throws(AssemblerError) -> PTXASReport {
        let folder = try temporaryFolder()
        let (input, cubin, log) = ("\(folder)/module.ptx", "\(folder)/module.cubin", "\(folder)/log")
        defer { TemporaryFiles.remove(folder) }
        try write(text, to: input)
        let options = ["-arch=sm_90a", "-v"] + (lines ? ["--generate-line-info"] : []) + (relocatable ? ["-c"] : [])
        let status = try run([path] + options + ["-o", output ?? cubin, input], log: log)
        let messages = try read(log)
        guard status == 0 else { throw rejection(messages, input: input, text: text, status: status) }
        return PTXASReport(parsing: messages)
    }

    // MARK: The tool

    /// Runs a command with its output in a file, which a full pipe cannot block.
    private func run(_ arguments: [String], log: String) throws(AssemblerError) -> Int32 {
        #if canImport(Darwin)
            var actions: posix_spawn_file_actions_t?
        #else
            var actions = posix_spawn_file_actions_t()
        #endif
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, 1, log, O_WRONLY | O_CREAT | O_TRUNC, 0o600)
        posix_spawn_file_actions_adddup2(&actions, 1, 2)
        let environment: [String] = ["PATH", "HOME", "TMPDIR"].compactMap { (name: String) -> String? in
            getenv(name).map { "\(name)=\(String(cString: $0))" }
        }
        var argumentPointers = arguments.map { strdup($0) } + [nil]
        var environmentPointers = environment.map { strdup($0) } + [nil]
        defer { for pointer in argumentPointers + environmentPointers { free(pointer) } }
        var process = pid_t()
        let code = posix_spawn(&process, path, &actions, nil, &argumentPointers, &environmentPointers)
        guard code == 0 else { throw .system(action: "run \(path)", code: code) }
        var status: Int32 = 0
        while waitpid(process, &status, 0) < 0 {
            guard errno == EINTR else { throw .system(action: "wait for \(path)", code: errno) }
        }
        return status
    }

    private func rejection(_ messages: String, input: String, text: String, status: Int32) -> AssemblerError {
        // Messages look like `ptxas /tmp/…/module.ptx, line 12; error   : …`.
        let lines = messages.split(whereSeparator: \.isNewline).map { $0.replacing("\(input), ", with: "") }
        let errors = lines.filter { $0.contains("error") || $0.contains("fatal") }
        let number = errors.lazy.compactMap { line -> Int? in
            guard let start = line.firstRange(of: "line ")?.upperBound else { return nil }
            return Int(line[start...].prefix { $0.isNumber })
        }.first
        let source = text.split(separator: "\n", omittingEmptySubsequences: false)
        let excerpt = number.flatMap { source.indices.contains($0 - 1) ? String(source[$0 - 1]) : nil }
        let shown = errors.isEmpty ? lines + ["status \(status)"] : errors
        return .rejected(messages: shown.prefix(8).joined(separator: "\n"), excerpt: excerpt)
    }

    // MARK: Files

    private func temporaryFolder() throws(AssemblerError) -> String {
        do {
            return try TemporaryFiles.makeDirectory()
        } catch {
            throw .system(action: error.action, code: error.code)
        }
    }

    private func write(_ text: String, to path: String) throws(AssemblerError) {
        guard let file = fopen(path, "w") else { throw .system(action: "write \(path)", code: errno) }
        let bytes = Array(text.utf8)
        let written = fwrite(bytes, 1, bytes.count, file)
        guard fclose(file) == 0, written == bytes.count else { throw .system(action: "write \(path)", code: errno) }
    }

    private func read(_ path: String) throws(AssemblerError) -> String {
        guard let file = fopen(path, "r") else { throw .system(action: "read \(path)", code: errno) }
        defer { fclose(file) }
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 65536)
        while case let count = fread(&chunk, 1, chunk.count, file), count > 0 { bytes += chunk[..<count] }
        return String(decoding: bytes, as: UTF8.self)
    }
}
