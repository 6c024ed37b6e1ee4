import ExpertKernels
import ExpertParallel

/// The ranks' waits for each other in the verified step of a mode, and the rows that their experts received.
struct ArrivalReport: Codable {
    /// The statistics of one rank; waits are for each rank, in order.
    struct Waiter: Codable {
        let counts: [ArrivalStatistics.Waits]
        let rows: [ArrivalStatistics.Waits]
        let results: [ArrivalStatistics.Waits]
        let rowsOfExperts: [Int]
    }

    /// All ranks, in order.
    let ranks: [Waiter]

    /// The reports of several processes, in order.
    init(_ reports: [ArrivalReport]) { ranks = reports.flatMap(\.ranks) }

    init(_ statistics: [ArrivalStatistics]) {
        ranks = statistics.map {
            Waiter(
                counts: $0.waits(for: .counts), rows: $0.waits(for: .rows), results: $0.waits(for: .results),
                rowsOfExperts: $0.rowsOfExperts)
        }
    }

    /// Columns of `cells`, after those that name the subject of a line.
    static let columns: [(String, Table.Alignment)] = ["counts", "rows", "results"].flatMap {
        [("waits for \($0)", Table.Alignment.right), ("mean µs", .right), ("longest µs", .right)]
    }

    /// The waits of all ranks for `source`.
    func cells(source: Int) -> [String] {
        [\Waiter.counts, \.rows, \.results].flatMap { kind in
            let waits = ranks.map { $0[keyPath: kind][source] }.reduce(.init(), +)
            let mean = waits.count == 0 ? 0 : Double(waits.nanoseconds) / Double(waits.count)
            return ["\(waits.count)", fixed(mean / 1e3, 1), fixed(Double(waits.longestNanoseconds) / 1e3, 1)]
        }
    }

    /// Fewest, mean and most rows of an expert.
    var load: String {
        let rows = ranks.flatMap(\.rowsOfExperts)
        let mean = Double(rows.reduce(0, +)) / Double(max(1, rows.count))
        return "\(rows.min() ?? 0) to \(rows.max() ?? 0), \(fixed(mean, 1)) on average"
    }
}
