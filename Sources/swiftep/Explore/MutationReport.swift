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
        /// "found", "redundant" or "UNEXPLAINED".
        let verdict: String
        /// The failure that found it, or the reason why none can.
        let reason: String
        /// Schedules until it was found, or all that were run.
        let schedules: Int
    }

    let entries: [Entry]
    let found: Int
    let redundant: Int
    let unexplained: Int

    init(_ findings: [MutationSurvey.Finding]) {
        entries = findings.map { finding in
            let (verdict, reason): (String, String) =
                switch finding.verdict {
                case .found:
                    ("found", finding.failure?.split(separator: "\n").first.map(String.init) ?? "")
                case .redundant(let proof): ("redundant", proof)
                case .unexplained: ("UNEXPLAINED", "")
                }
            return Entry(
                kernel: finding.kernel,
                line: "\(finding.fileName):\(finding.mutation.location.line)",
                operation: finding.mutation.operation, change: "\(finding.mutation.change)", verdict: verdict,
                reason: reason, schedules: finding.schedules)
        }
        found = findings.count { $0.verdict == .found }
        unexplained = findings.count { $0.verdict == .unexplained }
        redundant = findings.count - found - unexplained
    }

    private var sum: String {
        "\(entries.count) mutations: \(found) found, \(redundant) redundant, \(unexplained) unexplained"
    }

    /// A table without the reasons of mutations that were found.
    var text: String {
        var table = Table([
            ("", .left), ("schedules", .right), ("kernel", .left), ("line", .left), ("operation", .left),
            ("change", .left),
        ])
        for entry in entries {
            table.add([
                entry.verdict, "\(entry.schedules)", entry.kernel, entry.line, entry.operation, entry.change,
            ])
        }
        return "\(table)\n\n\(sum)"
    }

    /// A page of the documentation, with a table for each kernel.
    var markdown: String {
        var lines = [
            "# Mutations of the kernels", "",
            "Written by `swiftep mutate --markdown`; [exploration.md](exploration.md) says what it does. \(sum).",
        ]
        var kernel = ""
        for entry in entries {
            if entry.kernel != kernel {
                kernel = entry.kernel
                lines += ["", "## \(kernel)", "", "| line | operation | change | |", "| --- | --- | --- | --- |"]
            }
            let reason = entry.verdict == "redundant" ? ": \(entry.reason)" : ""
            lines.append("| \(entry.line) | \(entry.operation) | \(entry.change) | \(entry.verdict)\(reason) |")
        }
        return lines.joined(separator: "\n")
    }
}
