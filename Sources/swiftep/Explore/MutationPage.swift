#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

/// A page of the documentation that lists all mutations, with a table for each kernel.
struct MutationPage {
    let lines: [Substring]

    /// What a report says. What it has not tried stands as `known` has it, if that lists it.
    init(_ report: MutationReport, knowing known: MutationPage? = nil) {
        var verdicts = known?.verdicts ?? [:]
        var rows: [String] = []
        var counts: [String: Int] = [:]
        var kernel = ""
        for entry in report.entries {
            if entry.kernel != kernel {
                kernel = entry.kernel
                rows += ["", Self.heading + kernel, "", "| line | operation | change | |", "| --- | --- | --- | --- |"]
            }
            let row = "| \(entry.line) | \(entry.operation) | \(entry.change) |"
            // A line may have the same mutation twice.
            let old = verdicts[kernel + row]?.popLast()
            let verdict = entry.schedules == 0 ? old ?? entry.verdict : entry.verdict
            counts[verdict, default: 0] += 1
            rows.append("\(row) \(verdict)\(verdict == Self.redundant ? ": \(entry.reason)" : "") |")
        }
        let sum = ["found", Self.redundant, "UNEXPLAINED"].map { "\(counts[$0] ?? 0) \($0.lowercased())" }
        let text =
            [
                "# Mutations of the kernels", "",
                "Written by `swiftep mutate --markdown`; [exploration.md](exploration.md) says what it does. "
                    + "\(report.entries.count) mutations: \(sum.joined(separator: ", ")).",
            ] + rows
        lines = text.map { $0[...] }
    }

    /// Reads a page. Throws `UsageError` if there is none.
    init(readFrom path: String) throws(UsageError) {
        guard let data = FileManager.default.contents(atPath: path), let text = String(bytes: data, encoding: .utf8)
        else { throw .conflict("--check is '\(path)', which cannot be read as text; name a page of --markdown") }
        lines = text.split(separator: "\n", omittingEmptySubsequences: false).dropLast(text.hasSuffix("\n") ? 1 : 0)
    }

    var text: String { lines.joined(separator: "\n") }

    /// What this page lacks of another, and has beyond it: lines that begin with + and -.
    func differences(to other: MutationPage) -> [String] {
        other.lines.difference(from: lines).map { change in
            switch change {
            case .insert(_, let line, _): "+ \(line)"
            case .remove(_, let line, _): "- \(line)"
            }
        }
    }

    private static let heading = "## "
    private static let redundant = "redundant"

    /// By kernel and the other columns of a row: verdicts without their reasons, the last one first.
    private var verdicts: [String: [String]] {
        var verdicts: [String: [String]] = [:]
        var kernel = ""
        for line in lines {
            if line.hasPrefix(Self.heading) { kernel = String(line.dropFirst(Self.heading.count)) }
            let cells = line.split(separator: " | ", maxSplits: 3)
            guard cells.count == 4, line.hasSuffix(" |") else { continue }
            let verdict = cells[3].dropLast(2).prefix { $0 != ":" }
            verdicts["\(kernel)\(cells[0]) | \(cells[1]) | \(cells[2]) |", default: []].insert(String(verdict), at: 0)
        }
        return verdicts
    }
}
