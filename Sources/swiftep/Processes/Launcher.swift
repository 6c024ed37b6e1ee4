import ExpertParallel
import TemporaryFiles
import Transport

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

/// Starts the processes of a command on this machine, runs their rendezvous, and ensures that all of them end.
struct Launcher {
    /// Number of processes.
    let processes: Int
    /// Seconds after which all waits of kernels have been given up.
    let longestWait: Double
    /// How the others react when one has gone.
    let onFailure: FailurePolicy
    /// Whether one that has gone is started once more.
    let restarts: Bool
    /// Seconds after which a stopped process is made to go on; nil for never.
    let pause: Double?

    /// The variable that says which process is the launcher.
    static let variable = "SWIFTEP_LAUNCHER"
    /// The variable that names a directory for files that processes share, which the launcher removes.
    static let directoryVariable = "SWIFTEP_DIRECTORY"
    /// The variable of a process that is started once more.
    static let returnVariable = "SWIFTEP_RETURNS"
    /// The exit code of a process that writes to a closed pipe.
    static let brokenPipe: Int32 = 141
    /// Seconds that the others have to end by themselves when one has gone: until their waits on the device are over,
    /// and some to report that.
    private var grace: Double { longestWait + 20 }
    /// Seconds for which a process may be stopped, since it may never go on.
    private var stopLimit: Double { onFailure == .mask ? longestWait + 2 : grace }

    /// Runs this very command line in all processes. The first of them writes the results.
    ///
    /// - Returns: 0 if all processes end with it, otherwise the exit code of one that does not.
    /// - Throws: `LaunchError`, with the cause in one sentence.
    func run() throws -> Int32 {
        let secret = RendezvousSecret()
        let server = try RendezvousServer(processes: processes, secret: secret)
        let directory = try TemporaryFiles.makeDirectory()
        defer { TemporaryFiles.remove(directory) }
        // Where sockets are to lie in a directory, they are removed with this one.
        let sockets = try ProcessInfo.processInfo.environment[ProcessGroup.socketDirectory].map { parent in
            let path = "\(parent)/swiftep-\(getpid())"
            try TemporaryFiles.makeDirectory(at: path)
            return path
        }
        defer { sockets.map(TemporaryFiles.remove) }
        let children = ChildProcesses()
        Interruption.beforeEnd { children.endAll() }
        defer { Interruption.beforeEnd(nil) }
        defer { children.endAll() }
        func start(_ process: Int, again: Bool = false) throws {
            let bootstrap = Bootstrap(
                launcher: .swiftep, process: process, processes: processes, localProcess: process,
                address: server.address, secret: secret)
            var own = [Self.variable: "\(getpid())", Self.directoryVariable: directory]
            if again { own[Self.returnVariable] = "1" }
            own[ProcessGroup.socketDirectory] = sockets
            try children.start(
                process, try ProgramArguments.words(),
                environment: bootstrap.variables.merging(own) { first, _ in first })
        }
        for process in 0..<processes { try start(process) }
        try supervise(children, server) { try start($0, again: true) }
        // Processes that the others went on without are no failure, if any are left.
        let ends = children.ends.filter { process, end in
            if onFailure == .stop || end == .exit(0) { return true }
            if case .exit = end { return !server.givenUp.contains(process) }
            return false
        }
        let failed = (ends.isEmpty ? children.ends : ends).values.first { $0 != .exit(0) }
        guard let failed else { return 0 }
        if children.ends.values.contains(.exit(Self.brokenPipe)) { Interruption.endByBrokenPipe() }
        if let error = LaunchError(children, server) { throw error }
        if case .exit(let code) = failed { return code }
        return 1
    }

    /// Waits for all processes.
    ///
    /// When one has gone, the others end as well, and get time to report what they waited for; or they go on without
    /// it. Then one that they have given up is ended, so that it does not disturb them later.
    private func supervise(
        _ children: ChildProcesses, _ server: RendezvousServer, startAgain: (Int) throws -> Void
    ) throws {
        var patience: ContinuousClock.Instant?
        var started: Set<Int> = []
        while !children.haveEnded {
            for (process, end) in children.collect() where end != .exit(0) {
                // The process's own report says more.
                if !server.failures.contains(where: { $0.process == process }) {
                    server.lose(process, reason: "it \(end)")
                }
                if onFailure == .stop { patience = patience ?? ContinuousClock.now + .seconds(grace) }
                // One that ends with an error would do it again.
                if case .exit = end { continue }
                if restarts, started.insert(process).inserted { try startAgain(process) }
            }
            if !started.isEmpty, children.haveEnded(but: started) {
                // No process is left to readmit them.
                children.endAll()
            }
            if let pause { children.resume(stoppedFor: pause) }
            for process in children.stopped(for: stopLimit) {
                server.lose(process, reason: "it was stopped")
                children.end(process)
            }
            if onFailure == .mask {
                for process in server.lost.keys where !started.contains(process) { children.end(process) }
            } else if patience == nil, !server.failures.isEmpty {
                patience = ContinuousClock.now + .seconds(grace)
            }
            if let patience, ContinuousClock.now > patience { children.endAll() }
            usleep(2_000)
        }
    }
}
