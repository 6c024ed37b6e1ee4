import Transport

/// Why a run in several processes failed.
enum LaunchError: Error, CustomStringConvertible {
    /// The program could not be started once more.
    case start(String, reason: String)
    /// Processes have failed or gone.
    case failed(String, exitCode: Int32)

    /// The cause, from the processes' ends and reports; nil if none failed.
    ///
    /// When one has gone without a report, the reports of the others are consequences, and are added where they waited
    /// for it.
    init?(_ children: ChildProcesses, _ server: RendezvousServer) {
        let failures = server.failures
        let silent = children.ends.sorted { $0.key < $1.key }.filter { process, end in
            end != .exit(0) && !failures.contains { $0.process == process }
        }
        // Those that were ended for being late are named only if another waited for them.
        let awaited = Set(failures.compactMap(\.waitedFor))
        let gone = silent.filter { process, end in
            if case .ended(wasStopped: false) = end { return awaited.contains(process) || failures.isEmpty }
            return true
        }
        let causes = gone.map { "process \($0.key) \($0.value)" }
        let waits = failures.filter { failure in gone.contains { $0.key == failure.waitedFor } }
        let code = children.ends.values.lazy.compactMap {
            if case .exit(let code) = $0, code != 0 { code } else { nil }
        }
        let exitCode = causes.isEmpty ? code.first ?? 1 : 1
        guard let shown = (waits.isEmpty ? failures : waits).first else {
            if causes.isEmpty { return nil }
            self = .failed(causes.joined(separator: "; "), exitCode: exitCode)
            return
        }
        // A text that all report concerns no single process.
        if causes.isEmpty, failures.allSatisfy({ $0.text == shown.text }) {
            self = .failed(shown.text, exitCode: exitCode)
            return
        }
        let others = failures.count - 1
        self = .failed(
            (causes + ["process \(shown.process): \(shown.text)"]).joined(separator: "; ")
                + (others > 0 ? " (and \(others) more ended with an error)" : ""), exitCode: exitCode)
    }

    /// One sentence.
    var description: String {
        switch self {
        case .start(let path, let reason): "cannot start \(path): \(reason)"
        case .failed(let text, _): text
        }
    }

    /// The exit code of the command.
    var exitCode: Int32 {
        switch self {
        case .start: 1
        case .failed(_, let code): code
        }
    }
}
