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
    /// It was ended by the launcher, since it went on after the others had ended or given it up.
    case ended(wasStopped: Bool)

    /// The words after "process 1".
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
    private let children = Mutex<[Int: Child]>([:])

    /// The ends of processes that have ended, by number.
    var ends: [Int: ProcessEnd] {
        children.withLock { children in
            children.compactMapValues(\.end)
        }
    }

    /// Whether all have ended.
    var haveEnded: Bool { children.withLock { $0.values.allSatisfy { $0.end != nil } } }

    /// Whether all but these have ended.
    func haveEnded(but others: Set<Int>) -> Bool {
        children.withLock { $0.allSatisfy { others.contains($0.key) || $0.value.end != nil } && !$0.isEmpty }
    }

    /// Starts this program as the process of a number, which may have been that of another that has ended.
    ///
    /// - Parameters:
    ///   - process: The number.
    ///   - words: The words after the program's name.
    ///   - environment: Variables besides those of this process.
    /// - Throws: `LaunchError.start`.
    func start(_ process: Int, _ words: [String], environment: [String: String]) throws(LaunchError) {
        let path = Self.program
        let variables = ProcessInfo.processInfo.environment.merging(environment) { _, new in new }
        var arguments: [UnsafeMutablePointer<CChar>?] = ([CommandLine.arguments[0]] + words).map { strdup($0) } + [nil]
        var values: [UnsafeMutablePointer<CChar>?] = variables.map { strdup("\($0.key)=\($0.value)") } + [nil]
        defer { for text in arguments + values { free(text) } }
        let code = children.withLock { children in
            var pid: pid_t = 0
            let code = posix_spawn(&pid, path, nil, nil, &arguments, &values)
            if code == 0 { children[process] = Child(pid: pid) }
            return code
        }
        guard code == 0 else { throw .start(path, reason: String(cString: strerror(code))) }
    }

    /// Collects the processes that have ended since the last call.
    func collect() -> [(process: Int, end: ProcessEnd)] {
        children.withLock { children in
            children.keys.sorted().compactMap { process in
                children[process]?.collect().map { (process, $0) }
            }
        }
    }

    /// Processes that have been stopped for that long.
    func stopped(for seconds: Double) -> [Int] {
        children.withLock { $0.filter { $0.value.isStopped(for: seconds) }.keys.sorted() }
    }

    /// Resumes processes that have been stopped for that long.
    func resume(stoppedFor seconds: Double) {
        children.withLock { children in
            for child in children.values where child.isStopped(for: seconds) { kill(child.pid, SIGCONT) }
        }
    }

    /// Ends one process at once.
    func end(_ process: Int) { children.withLock { $0[process]?.end(by: SIGKILL) } }

    /// Ends all processes that have not ended: by a signal that lets them clean up, and soon by one that does not.
    func endAll() {
        signalAll(SIGTERM)
        // A stopped one need not clean up.
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
            for process in children.keys { children[process]?.end(by: number) }
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

/// One process that was started.
private struct Child {
    let pid: pid_t
    var end: ProcessEnd?
    /// When it was stopped, if it is.
    private var stopped: ContinuousClock.Instant?
    /// Whether the launcher has ended it.
    private var wasEnded = false

    init(pid: pid_t) { self.pid = pid }

    /// Whether it has been stopped for that long.
    func isStopped(for seconds: Double) -> Bool {
        end == nil && stopped.map { ContinuousClock.now - $0 > .seconds(seconds) } ?? false
    }

    /// Ends it by a signal.
    mutating func end(by number: Int32) {
        guard end == nil else { return }
        wasEnded = true
        kill(pid, number)
    }

    /// Its end, if that was since the last call.
    mutating func collect() -> ProcessEnd? {
        var status: Int32 = 0
        guard end == nil, waitpid(pid, &status, WNOHANG | WUNTRACED | WCONTINUED) > 0 else { return nil }
        if status & 0xFF == 0x7F || status == 0xFFFF {
            stopped = status == 0xFFFF ? nil : .now
            return nil
        }
        let number = status & 0x7F
        end =
            wasEnded && number != 0
            ? .ended(wasStopped: stopped != nil) : number == 0 ? .exit(status >> 8 & 0xFF) : .signal(number)
        return end
    }
}
