import Conformance

/// What became of the mutations of the kernels.
struct MutationReport: Encodable {
    /// One mutation.
    struct Entry: Encodable {
        let kernel: String
        /// File and line, operation and change.
        let mutation: String
        /// "found", "redundant" or "UNEXPLAINED".
        let verdict: String
        /// What gave it away, or why nothing can.
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
                    ("found", finding.failure?.error.split(separator: "\n").first.map(String.init) ?? "")
                case .redundant(let proof): ("redundant", proof)
                case .unexplained: ("UNEXPLAINED", "")
                }
            return Entry(
                kernel: finding.kernel, mutation: "\(finding.mutation)", verdict: verdict, reason: reason,
                schedules: finding.schedules)
        }
        found = findings.count { $0.verdict == .found }
        unexplained = findings.count { $0.verdict == .unexplained }
        redundant = findings.count - found - unexplained
    }

    private var sum: String {
        "\(entries.count) mutations: \(found) found, \(redundant) redundant, \(unexplained) unexplained"
    }

    /// A table without the reasons of what was found.
    var text: String {
        var table = Table([("", .left), ("schedules", .right), ("kernel", .left), ("mutation", .left)])
        for entry in entries { table.add([entry.verdict, "\(entry.schedules)", entry.kernel, entry.mutation]) }
        return "\(table)\n\n\(sum)"
    }

    /// The same for a page of the documentation, a table for each kernel.
    var markdown: String {
        var lines: [String] = []
        var kernel = ""
        for entry in entries {
            if entry.kernel != kernel {
                kernel = entry.kernel
                lines += ["", "## \(kernel)", "", "| operation and change | | |", "| --- | --- | --- |"]
            }
            // Sizes and bytes of one schedule say nothing to the reader.
            let place = entry.mutation.split(separator: "/").last.map(String.init) ?? entry.mutation
            lines.append("| \(place) | \(entry.verdict) | \(entry.verdict == "redundant" ? entry.reason : "") |")
        }
        return ([sum + "."] + lines).joined(separator: "\n")
    }
}
