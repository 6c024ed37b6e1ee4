import Synchronization
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

/// Starts the processes of a command on this machine, keeps their rendezvous, and sees to it that all of them end.
struct Launcher {
    /// How many.
    let processes: Int
    /// Seconds that the others have to end by themselves when one has gone.
    let grace: Double

    /// The variable that says which process is the launcher.
    static let variable = "SWIFTEP_LAUNCHER"
    /// The variable that names a directory for files that processes share, which the launcher removes.
    static let directoryVariable = "SWIFTEP_DIRECTORY"
    /// Seconds beyond a wait on the device that a process may need to say what went wrong.
    static let graceBeyondWaits = 20.0

    /// Runs this very command line in all processes. The first of them writes the results.
    ///
    /// - Returns: 0 if all processes end with it, otherwise that of one that does not.
    /// - Throws: `LaunchError` that says in one sentence what went wrong.
    func run() throws -> Int32 {
        let secret = RendezvousSecret()
        let server = try RendezvousServer(processes: processes, secret: secret)
        let directory = try TemporaryFiles.makeDirectory()
        defer { TemporaryFiles.remove(directory) }
        let children = ChildProcesses()
        Interruption.beforeEnd { children.endAll() }
        defer { Interruption.beforeEnd(nil) }
        defer { children.endAll() }
        for process in 0..<processes {
            let bootstrap = Bootstrap(
                launcher: .swiftep, process: process, processes: processes, localProcess: process,
                address: server.address, secret: secret)
            let own = [Self.variable: "\(getpid())", Self.directoryVariable: directory]
            try children.start(
                try ProgramArguments.words(),
                environment: bootstrap.variables.merging(own) { first, _ in first })
        }
        try supervise(children, server)
        let failed = children.ends.first { $0.value != .exit(0) }
        guard let failed else { return 0 }
        if let error = LaunchError(children, server) { throw error }
        if case .exit(let code) = failed.value { return code }
        return 1
    }

    /// Waits for all processes. When one has gone, the others get time to say what they waited for.
    private func supervise(_ children: ChildProcesses, _ server: RendezvousServer) throws {
        var patience: ContinuousClock.Instant?
        while !children.haveEnded {
            for (process, end) in children.collect() where end != .exit(0) {
                // What it said itself says more.
                if !server.failures.contains(where: { $0.process == process }) {
                    server.lose(process, reason: "it \(end)")
                }
                patience = patience ?? ContinuousClock.now + .seconds(grace)
            }
            // Nobody knows whether it will ever go on; kernels of others have waited for long enough.
            for process in children.stopped(for: grace) {
                server.lose(process, reason: "it was stopped")
                children.end(process)
            }
            if patience == nil, !server.failures.isEmpty { patience = ContinuousClock.now + .seconds(grace) }
            if let patience, ContinuousClock.now > patience { children.endAll() }
            usleep(2_000)
        }
    }
}
