import Conformance

/// The results of an exploration of workloads.
struct ExploreReport: Encodable {
    /// One workload.
    struct Entry: Encodable {
        let workload: String
        let schedules: Int
        /// Different orders in which threads synchronised.
        let interleavings: Int
        /// An exhaustive exploration has seen everything.
        let complete: Bool
        /// The first failure.
        let failure: Failure?
    }

    /// A failure.
    struct Failure: Encodable {
        let error: String
        /// The schedule that replays it, on any machine.
        let schedule: String
    }

    let entries: [Entry]
    /// Wall time.
    let seconds: Double
    let schedules: Int
    let interleavings: Int
    /// Workloads with a failure.
    let failed: Int
    /// The time of a schedule, as a multiple of a plain simulation's.
    let slowdown: Double

    init(_ findings: [Survey.Finding], seconds: Double) {
        entries = findings.map { finding in
            // The shortest is easiest to follow.
            let failure = finding.failures.min { "\($0.schedule)".count < "\($1.schedule)".count }
            return Entry(
                workload: finding.workload, schedules: finding.schedules, interleavings: finding.interleavings.count,
                complete: finding.isComplete,
                failure: failure.map { Failure(error: "\($0.error)", schedule: "\($0.schedule)") })
        }
        self.seconds = seconds
        schedules = entries.reduce(0) { $0 + $1.schedules }
        interleavings = entries.reduce(0) { $0 + $1.interleavings }
        failed = entries.count { $0.failure != nil }
        let plain = findings.reduce(0) { $0 + $1.plainSeconds * Double($1.schedules) }
        slowdown = plain > 0 ? findings.reduce(0) { $0 + $1.seconds } / plain : 0
    }

    /// A table, and every failure below it with the command that replays it.
    var text: String {
        var table = Table([("schedules", .right), ("distinct", .right), ("", .left), ("workload", .left)])
        for entry in entries {
            let verdict = entry.failure != nil ? "FAILED" : entry.complete ? "clean, all there are" : "clean"
            table.add(["\(entry.schedules)", "\(entry.interleavings)", verdict, entry.workload])
        }
        let failures = entries.compactMap { entry in
            entry.failure.map { failure in
                "\n\(entry.workload)\n\(failure.error)\nreplay with the same options and: --filter '\(entry.workload)' "
                    + "--replay '\(failure.schedule)'\n"
            }
        }
        let sum =
            "\(schedules) schedules in \(fixed(seconds, 1)) s, \(interleavings) distinct interleavings; "
            + (failed == 0
                ? "nothing found; a schedule takes \(fixed(slowdown, 1)) times as long as a plain simulation"
                : "\(failed) of \(entries.count) workloads failed")
        return (["\(table)"] + failures + [sum]).joined(separator: "\n")
    }
}
