import Accelerator
import ExpertParallel
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

/// Runs a command's work in one process or in several, as its options and the environment ask for.
///
/// - Parameters:
///   - ranks: The ranks of all processes, given how many processes there are.
///   - seed: Seed of the simulator's schedule.
///   - longestWait: Seconds after which all waits of kernels have been given up.
///   - body: The work; returns the exit code.
func withProcesses(
    _ arguments: Arguments, ranks: (_ processes: Int, DeviceProperties) throws -> Int, seed: UInt64,
    longestWait: Double, _ body: (Processes) throws -> Int32
) throws -> Int32 {
    let environment = ProcessInfo.processInfo.environment
    switch try ProcessRole(arguments, environment: environment) {
    case .launcher(let count):
        return try Launcher(
            processes: count, longestWait: longestWait, onFailure: arguments[ProcessOptions.onFailure] ?? .stop,
            restarts: arguments[ProcessOptions.restart], pause: arguments[ProcessOptions.loseRank]?.pause
        ).run()
    case .alone:
        let device = try DeviceOptions.open(arguments, seed: seed)
        return try body(Processes(nil, ranks: ranks(1, device.properties), device: device, arguments))
    case .member(let bootstrap):
        if bootstrap.launcher == .swiftep { endWithLauncher(environment) }
        limitConnections(bootstrap, ranks: arguments[ShapeOptions.ranks] ?? bootstrap.processes)
        let policy = arguments[ProcessOptions.onFailure] ?? .stop
        let rendezvous = try Rendezvous(bootstrap, policy: policy == .mask ? .goOn : .stop)
        var ranksOfProcess = 1
        do {
            let device = try DeviceOptions.open(arguments, seed: seed, localProcess: bootstrap.localProcess)
            let all = try ranks(bootstrap.processes, device.properties)
            ranksOfProcess = max(1, all / bootstrap.processes)
            let processes = try Processes(rendezvous, ranks: all, device: device, arguments)
            let code = try body(processes)
            try processes.leave()
            return code
        } catch {
            let waitedFor = (error as? GroupError)?.waitedFor
            rendezvous.fail("\(error)", waitedFor: waitedFor.map { $0 / ranksOfProcess })
            // The launcher reports it once for all.
            if bootstrap.launcher == .swiftep {
                guard let output = error as? OutputError else { return error is UsageError ? 64 : 1 }
                return output.isBrokenPipe ? Launcher.brokenPipe : 74
            }
            throw rendezvous.explained(error)
        }
    }
}

extension Rendezvous {
    /// An error with the processes that have gone: others, which wait for them, fail because of that.
    fileprivate func explained(_ error: any Error) -> any Error {
        let lost = lost.filter { $0.key != process }
        if lost.isEmpty || error is TransportError { return error }
        return LostProcessError(lost: lost, consequence: "\(error)")
    }
}

/// A step that failed because processes have gone.
private struct LostProcessError: Error, CustomStringConvertible {
    let lost: [Int: String]
    let consequence: String

    /// One sentence.
    var description: String {
        lost.sorted { $0.key < $1.key }.map { "process \($0.key) has gone (\($0.value)); " }.joined() + consequence
    }
}

/// Makes the driver ask for as many hardware queues as this process's streams need, instead of all: a GPU that
/// processes share by MPS has about 100 for all of them, and then takes no further process.
private func limitConnections(_ bootstrap: Bootstrap, ranks: Int) {
    let streams = 2 * max(1, ranks / bootstrap.processes) + 2
    setenv("CUDA_DEVICE_MAX_CONNECTIONS", "\(min(32, max(streams, 64 / bootstrap.processes)))", 0)
}

/// Ends this process when the launcher ends, in whatever way.
private func endWithLauncher(_ environment: [String: String]) {
    #if canImport(Glibc) || canImport(Musl)
        // The C library's function takes a variable number of arguments, which Swift does not import.
        typealias ProcessControl = @convention(c) (Int32, UInt, UInt, UInt, UInt) -> Int32
        let setParentDeathSignal: Int32 = 1
        if let function = dlsym(nil, "prctl") {
            let control = unsafeBitCast(function, to: ProcessControl.self)
            _ = control(setParentDeathSignal, UInt(SIGKILL), 0, 0, 0)
        }
        // The launcher may have ended before.
        if let launcher = environment[Launcher.variable].flatMap({ Int32($0) }), getppid() != launcher { _exit(1) }
    #endif
}
