/// One entry of a report with all that it depends on, as a line of a file of results. `Benchmarks/results/README.md`
/// describes the fields.
struct ResultLine<Report: BenchReport>: Encodable {
    let origin: ResultOrigin
    let report: Report
    let entry: Report.Entry

    /// One flat object; the parts have no names in common.
    func encode(to encoder: any Encoder) throws {
        try origin.encode(to: encoder)
        try report.header.encode(to: encoder)
        try entry.encode(to: encoder)
    }
}
