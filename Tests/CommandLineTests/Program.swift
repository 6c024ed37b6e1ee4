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
struct ProgramResult: Sendable {
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
        try collect(path(), arguments, environment) { try wait(for: $0) }
    }

    /// Runs a script of the shell, in which `$0` is the program.
    static func shell(_ script: String, _ arguments: [String] = []) throws -> ProgramResult {
        try collect("/bin/sh", ["-c", script, path()] + arguments, [:]) { try wait(for: $0) }
    }

    /// Starts the program, sends it a signal as soon as `isReady`, and waits for it.
    static func interrupt(
        _ arguments: [String], environment: [String: String] = [:], by signal: Int32, once isReady: () -> Bool
    ) throws -> ProgramResult {
        try collect(path(), arguments, environment) { process in
            var status: Int32 = 0
            while !isReady() {
                guard waitpid(process, &status, WNOHANG) == 0 else {
                    throw Failure(description: "the program ended before it could be interrupted")
                }
                usleep(500)
            }
            kill(process, signal)
            return try wait(for: process)
        }
    }

    /// Starts a program with its output in files and gives what they hold when `finish` has waited for it.
    private static func collect(
        _ program: String, _ arguments: [String], _ environment: [String: String],
        finish: (_ process: pid_t) throws -> Int32
    ) throws -> ProgramResult {
        try TemporaryFolder.with { folder in
            // Files rather than pipes: they cannot fill up.
            let (output, errors) = ("\(folder)/output", "\(folder)/errors")
            let code = try finish(spawn(program, arguments, environment, output: output, errors: errors))
            return ProgramResult(code: code, output: try text(of: output), errors: try text(of: errors))
        }
    }

    private static func text(of path: String) throws -> String {
        String(decoding: try Data(contentsOf: URL(filePath: path)), as: UTF8.self)
    }

    private static func spawn(
        _ program: String, _ arguments: [String], _ environment: [String: String], output: String, errors: String
    ) throws -> pid_t {
        #if canImport(Darwin)
            var actions: posix_spawn_file_actions_t?
            var attributes: posix_spawnattr_t?
        #else
            var actions = posix_spawn_file_actions_t()
            var attributes = posix_spawnattr_t()
        #endif
        posix_spawn_file_actions_init(&actions)
        posix_spawnattr_init(&attributes)
        defer {
            posix_spawn_file_actions_destroy(&actions)
            posix_spawnattr_destroy(&attributes)
        }
        posix_spawn_file_actions_addopen(&actions, 1, output, O_WRONLY | O_CREAT | O_TRUNC, 0o600)
        posix_spawn_file_actions_addopen(&actions, 2, errors, O_WRONLY | O_CREAT | O_TRUNC, 0o600)
        // Signals act as in a fresh shell, whatever the tests were started from.
        var (all, none) = (sigset_t(), sigset_t())
        sigfillset(&all)
        sigemptyset(&none)
        posix_spawnattr_setsigdefault(&attributes, &all)
        posix_spawnattr_setsigmask(&attributes, &none)
        posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK))
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
        let started = posix_spawn(&process, program, &actions, &attributes, &words, &variables)
        guard started == 0 else { throw Failure(description: "cannot start \(program): error \(started)") }
        return process
    }

    /// Exit code, or 128 plus the number of the signal.
    private static func wait(for process: pid_t) throws -> Int32 {
        var status: Int32 = 0
        while waitpid(process, &status, 0) < 0 {
            guard errno == EINTR else { throw Failure(description: "cannot wait for the program: error \(errno)") }
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
