import Accelerator

/// Prints a benchmark's report, and adds it to a file of results if one is named.
struct BenchOutput {
    private let json: Bool
    private let results: OutputFile?
    private let commit: String?

    /// Opens the file, before anything is measured. Throws `UsageError` for one that cannot be written, and for a
    /// commit without a file.
    init(_ arguments: Arguments) throws(UsageError) {
        json = arguments[CommonOptions.json]
        commit = arguments[ResultOptions.commit]
        guard let path = arguments[ResultOptions.results] else {
            if commit != nil { throw .conflict("--commit names the commit of lines of --results; add it") }
            results = nil
            return
        }
        results = try OutputFile(path, option: "--" + ResultOptions.results.name)
    }

    /// Writes the report. Throws `OutputError`.
    ///
    /// - Parameter bench: Name of the benchmark in lines of results.
    func write(_ report: some BenchReport, bench: String, from device: any Device) throws {
        if let results {
            let origin = ResultOrigin(device, bench: bench, commit: commit, words: try ProgramArguments.words())
            let lines = try report.entries.map {
                try jsonText(ResultLine(origin: origin, report: report, entry: $0)) + "\n"
            }
            try results.append(lines.joined())
        }
        if json {
            try Console.json(report)
        } else {
            try Console.result(report.text)
        }
    }
}
