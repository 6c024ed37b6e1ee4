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

/// What a call of the program left behind.
struct ProgramResult {
    /// Exit code, or 128 plus the number of the signal that ended it.
    var code: Int32
    /// Standard output.
    var output: String
    /// Standard error.
    var errors: String
}

/// The built program.
enum Program {
    /// The program could not be found or started.
    struct Failure: Error, CustomStringConvertible {
        let description: String
    }

    /// Where the program lies: where `SWIFTEP_BINARY` says, or in the build folder that the tests run from.
    static func path() throws -> String {
        if let named = getenv("SWIFTEP_BINARY") { return String(cString: named) }
        var searched: [String] = []
        for argument in CommandLine.arguments where argument.contains("/") {
            var folder = argument
            while let slash = folder.lastIndex(of: "/"), slash != folder.startIndex {
                folder = String(folder[..<slash])
                searched.append(folder + "/swiftep")
                if isProgram(folder + "/swiftep") { return folder + "/swiftep" }
            }
        }
        throw Failure(
            description: "no program at \(searched.joined(separator: ", ")); build it with the tests, or set "
                + "SWIFTEP_BINARY to its path")
    }

    private static func isProgram(_ path: String) -> Bool {
        var isDirectory = false
        return access(path, X_OK) == 0 && FileManager.default.fileExists(atPath: path, isDirectory: &isDirectory)
            && !isDirectory
    }

    /// Runs the program and waits for it.
    ///
    /// - Parameter environment: Variables that it gets besides `PATH`.
    static func run(_ arguments: [String], environment: [String: String] = [:]) throws -> ProgramResult {
        let program = try path()
        return try TemporaryFolder.with { folder in
            // Files rather than pipes: they cannot fill up.
            let (output, errors) = ("\(folder)/output", "\(folder)/errors")
            let code = try spawn(program, arguments, environment, output: output, errors: errors)
            return ProgramResult(code: code, output: try text(of: output), errors: try text(of: errors))
        }
    }

    private static func text(of path: String) throws -> String {
        String(decoding: try Data(contentsOf: URL(filePath: path)), as: UTF8.self)
    }

    private static func spawn(
        _ program: String, _ arguments: [String], _ environment: [String: String], output: String, errors: String
    ) throws -> Int32 {
        #if canImport(Darwin)
            var actions: posix_spawn_file_actions_t?
        #else
            var actions = posix_spawn_file_actions_t()
        #endif
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, 1, output, O_WRONLY | O_CREAT | O_TRUNC, 0o600)
        posix_spawn_file_actions_addopen(&actions, 2, errors, O_WRONLY | O_CREAT | O_TRUNC, 0o600)
        let inherited = ["PATH", "LD_LIBRARY_PATH"].compactMap { (name: String) -> String? in
            getenv(name).map { "\(name)=\(String(cString: $0))" }
        }
        var words: [UnsafeMutablePointer<CChar>?] = ([program] + arguments).map { strdup($0) }
        var variables: [UnsafeMutablePointer<CChar>?] = (inherited + environment.map { "\($0)=\($1)" }).map {
            strdup($0)
        }
        words.append(nil)
        variables.append(nil)
        defer { for pointer in words + variables { free(pointer) } }
        var process = pid_t()
        let started = posix_spawn(&process, program, &actions, nil, &words, &variables)
        guard started == 0 else { throw Failure(description: "cannot start \(program): error \(started)") }
        var status: Int32 = 0
        while waitpid(process, &status, 0) < 0 {
            guard errno == EINTR else { throw Failure(description: "cannot wait for \(program): error \(errno)") }
        }
        let signal = status & 0x7F
        return signal == 0 ? (status >> 8) & 0xFF : 128 + signal
    }
}

/// A folder that lasts as long as a test needs it.
enum TemporaryFolder {
    static func with<Result>(_ body: (String) throws -> Result) throws -> Result {
        let parent = getenv("TMPDIR").map { String(cString: $0) } ?? "/tmp"
        var template = Array("\(parent)/swiftep-test-XXXXXX".utf8CString)
        guard let made = mkdtemp(&template) else {
            throw Program.Failure(description: "cannot make a folder in \(parent): error \(errno)")
        }
        let folder = String(cString: made)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        return try body(folder)
    }
}
