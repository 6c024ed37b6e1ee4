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

/// `python3`, for references that are not written in Swift.
public enum Python {
    /// Why a script did not run to its end.
    public struct Failure: Error, CustomStringConvertible {
        /// What happened, with what the script said.
        public let description: String
    }

    /// Whether there is a `python3` with numpy.
    public static let hasNumPy = (try? run(["-c", "import numpy"])) != nil

    /// Whether tests must not do without: `SWIFTEP_NUMPY=1` in the environment, as in CI.
    public static let isRequired = ProcessInfo.processInfo.environment["SWIFTEP_NUMPY"] == "1"

    /// Runs `python3` with arguments and waits for it. Throws `Failure` with its output unless it exits with 0.
    public static func run(_ arguments: [String], environment: [String: String] = [:]) throws {
        let log = FileManager.default.temporaryDirectory.path + "/python-\(UInt64.random(in: 0 ... .max)).log"
        defer { unlink(log) }
        #if canImport(Darwin)
            var actions: posix_spawn_file_actions_t?
        #else
            var actions = posix_spawn_file_actions_t()
        #endif
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, 1, log, O_WRONLY | O_CREAT | O_TRUNC, 0o600)
        posix_spawn_file_actions_adddup2(&actions, 1, 2)
        let variables = ProcessInfo.processInfo.environment.merging(environment) { $1 }
            // Tests run side by side, and the sources stay as they are.
            .merging(["PYTHONDONTWRITEBYTECODE": "1"]) { $1 }
        var words: [UnsafeMutablePointer<CChar>?] = (["python3"] + arguments).map { strdup($0) }
        var settings: [UnsafeMutablePointer<CChar>?] = variables.map { strdup("\($0)=\($1)") }
        words.append(nil)
        settings.append(nil)
        defer { for pointer in words + settings { free(pointer) } }
        var process = pid_t()
        let started = posix_spawnp(&process, "python3", &actions, nil, &words, &settings)
        guard started == 0 else { throw Failure(description: "cannot start python3: error \(started)") }
        var status: Int32 = 0
        while waitpid(process, &status, 0) < 0 {
            guard errno == EINTR else { throw Failure(description: "cannot wait for python3: error \(errno)") }
        }
        guard status == 0 else {
            let output = (try? Data(contentsOf: URL(filePath: log))) ?? Data()
            throw Failure(description: "python3 \(arguments): \(String(decoding: output, as: UTF8.self))")
        }
    }
}
