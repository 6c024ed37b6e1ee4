/// Rows of text in aligned columns.
struct Table: CustomStringConvertible {
    /// On which side of its column a text stands.
    enum Alignment { case left, right }

    private var rows: [[String]]
    private let alignments: [Alignment]

    /// A table with these columns.
    init(_ columns: [(title: String, alignment: Alignment)]) {
        rows = [columns.map(\.title)]
        alignments = columns.map(\.alignment)
    }

    /// Adds a row with a text for each column.
    mutating func add(_ row: [String]) { rows.append(row) }

    /// The lines, without blanks at their ends.
    var description: String {
        let widths = alignments.indices.map { column in rows.map { $0[column].count }.max() ?? 0 }
        return rows.map { row in
            let cells = row.enumerated().map { column, text in
                let blanks = String(repeating: " ", count: widths[column] - text.count)
                return alignments[column] == .left ? text + blanks : blanks + text
            }
            var line = cells.joined(separator: "  ")
            while line.last == " " { line.removeLast() }
            return line
        }.joined(separator: "\n")
    }
}
