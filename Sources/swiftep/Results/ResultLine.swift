/// One entry of a report with all that it depends on, as a line of a file of results. The fields stand in
/// `Benchmarks/results/README.md`.
struct ResultLine<Report: BenchReport>: Encodable {
    let origin: ResultOrigin
    let report: Report
    let entry: Report.Entry

    /// One flat object; names of the parts do not meet.
    func encode(to encoder: any Encoder) throws {
        try origin.encode(to: encoder)
        try report.header.encode(to: encoder)
        try entry.encode(to: encoder)
    }
}
