import Synchronization

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

/// How a process ended.
enum ProcessEnd: Hashable, CustomStringConvertible {
    /// By itself, with this code.
    case exit(Int32)
    /// By a signal.
    case signal(Int32)
    /// It was ended by the launcher, as it went on when the others had ended or given it up.
    case ended(wasStopped: Bool)

    /// What to say after "process 1".
    var description: String {
        switch self {
        case .exit(let code): "ended with exit code \(code)"
        case .signal(let number): "was killed by signal \(number) (\(String(cString: strsignal(number))))"
        case .ended(let wasStopped):
            wasStopped ? "was stopped, and was ended" : "did not end when the others had, and was ended"
        }
    }
}

/// The processes that a launcher has started.
final class ChildProcesses: Sendable {
    private struct Child {
        let pid: pid_t
        var end: ProcessEnd?
        /// Since when it is stopped, if it is.
        var stopped: ContinuousClock.Instant?
        /// Whether the launcher has ended it.
        var wasEnded = false
    }

    private let children = Mutex<[Child]>([])

    /// How those that have ended did, by their numbers.
    var ends: [Int: ProcessEnd] {
        children.withLock { children in
            Dictionary(
                uniqueKeysWithValues: children.enumerated().compactMap { index, child in
                    child.end.map { (index, $0) }
                })
        }
    }

    /// Whether all have ended.
    var haveEnded: Bool { children.withLock { $0.allSatisfy { $0.end != nil } } }

    /// Starts this program once more.
    ///
    /// - Parameters:
    ///   - words: The words behind the program's name.
    ///   - environment: Variables besides those of this process.
    /// - Throws: `LaunchError.start`.
    func start(_ words: [String], environment: [String: String]) throws(LaunchError) {
        let path = Self.program
        let variables = ProcessInfo.processInfo.environment.merging(environment) { _, new in new }
        var arguments: [UnsafeMutablePointer<CChar>?] = ([CommandLine.arguments[0]] + words).map { strdup($0) } + [nil]
        var values: [UnsafeMutablePointer<CChar>?] = variables.map { strdup("\($0.key)=\($0.value)") } + [nil]
        defer { for text in arguments + values { free(text) } }
        let code = children.withLock { children in
            var pid: pid_t = 0
            let code = posix_spawn(&pid, path, nil, nil, &arguments, &values)
            if code == 0 { children.append(Child(pid: pid)) }
            return code
        }
        guard code == 0 else { throw .start(path, reason: String(cString: strerror(code))) }
    }

    /// Sees which processes have ended since the last call.
    func collect() -> [(process: Int, end: ProcessEnd)] {
        children.withLock { children in
            children.indices.compactMap { index in
                guard children[index].end == nil else { return nil }
                var status: Int32 = 0
                guard waitpid(children[index].pid, &status, WNOHANG | WUNTRACED | WCONTINUED) > 0 else {
                    return nil
                }
                if status & 0xFF == 0x7F || status == 0xFFFF {
                    children[index].stopped = status == 0xFFFF ? nil : .now
                    return nil
                }
                let number = status & 0x7F
                let end: ProcessEnd =
                    children[index].wasEnded && number != 0
                    ? .ended(wasStopped: children[index].stopped != nil)
                    : number == 0 ? .exit(status >> 8 & 0xFF) : .signal(number)
                children[index].end = end
                return (index, end)
            }
        }
    }

    /// Processes that have been stopped for so long.
    func stopped(for seconds: Double) -> [Int] {
        children.withLock { children in
            children.indices.filter { index in
                children[index].end == nil
                    && children[index].stopped.map { ContinuousClock.now - $0 > .seconds(seconds) } ?? false
            }
        }
    }

    /// Ends one process at once.
    func end(_ process: Int) {
        children.withLock { children in
            guard children[process].end == nil, !children[process].wasEnded else { return }
            children[process].wasEnded = true
            kill(children[process].pid, SIGKILL)
        }
    }

    /// Ends all processes that have not ended: by a signal that lets them clean up, and soon by one that does not.
    func endAll() {
        signalAll(SIGTERM)
        // A stopped one is not to clean up.
        for _ in 0..<200 where !haveEnded {
            _ = collect()
            usleep(5_000)
        }
        signalAll(SIGKILL)
        while !haveEnded {
            _ = collect()
            usleep(1_000)
        }
    }

    private func signalAll(_ number: Int32) {
        children.withLock { children in
            for index in children.indices where children[index].end == nil {
                children[index].wasEnded = true
                kill(children[index].pid, number)
            }
        }
    }

    /// The program that runs.
    private static var program: String {
        #if canImport(Darwin)
            var size = UInt32(PATH_MAX)
            var path = [CChar](repeating: 0, count: Int(size))
            return _NSGetExecutablePath(&path, &size) == 0 ? String(cString: path) : CommandLine.arguments[0]
        #else
            return "/proc/self/exe"
        #endif
    }
}
