import Conformance

/// The results of the kernels' mutations.
struct MutationReport: Encodable {
    /// One mutation.
    struct Entry: Encodable {
        let kernel: String
        /// File and line.
        let line: String
        let operation: String
        /// The operation after the mutation.
        let change: String
        /// "found", "redundant", "UNEXPLAINED" or "not tried".
        let verdict: String
        /// The failure that found it, or the reason why none can; of one not tried, the reason given for it, if there is one.
        let reason: String
        /// Schedules until it was found, or all that were run.
        let schedules: Int
    }

    let entries: [Entry]
    let found: Int
    let redundant: Int
    let unexplained: Int
    let notTried: Int

    init(_ findings: [MutationSurvey.Finding]) {
        entries = findings.map { finding in
            let (verdict, reason): (String, String) =
                switch finding.verdict {
                case .found:
                    ("found", finding.failure?.split(separator: "\n").first.map(String.init) ?? "")
                case .redundant(let proof): ("redundant", proof)
                case .unexplained: ("UNEXPLAINED", "")
                case .notTried: ("not tried", finding.proof ?? "")
                }
            return Entry(
                kernel: finding.kernel,
                line: "\(finding.fileName):\(finding.mutation.location.line)",
                operation: finding.mutation.operation, change: "\(finding.mutation.change)", verdict: verdict,
                reason: reason, schedules: finding.schedules)
        }
        found = findings.count { $0.verdict == .found }
        unexplained = findings.count { $0.verdict == .unexplained }
        notTried = findings.count { $0.verdict == .notTried }
        redundant = findings.count - found - unexplained - notTried
    }

    /// A table of mutations that were tried, without the reasons of those that were found.
    var text: String {
        var table = Table([
            ("", .left), ("schedules", .right), ("kernel", .left), ("line", .left), ("operation", .left),
            ("change", .left),
        ])
        for entry in entries where entry.schedules > 0 {
            table.add([
                entry.verdict, "\(entry.schedules)", entry.kernel, entry.line, entry.operation, entry.change,
            ])
        }
        let sum = "\(entries.count) mutations: \(found) found, \(redundant) redundant, \(unexplained) unexplained"
        return "\(table)\n\n\(sum)" + (notTried > 0 ? ", \(notTried) not tried" : "")
    }
}
