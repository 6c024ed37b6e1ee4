import Litmus

/// `swiftep litmus`
enum LitmusCommand {
    static let expected = Option<String>.text(
        "expected", "CSV",
        help: "A list of lines PATH,1 for tests whose last line holds and PATH,0 for others; paths are relative to the "
            + "list. Without FILE, its tests are run.")
    static let schedules = Option<Int>.integer(
        "schedules", in: 1...100_000_000,
        help: "Most schedules of an exhaustive exploration. Default: 20000. If there are more, random ones follow.")
    static let time = Option<Double>.positive(
        "seconds", "S", limit: 1_000_000, help: "Seconds for each exploration. Default: 5.")
    static let rounds = Option<Int>.integer(
        "rounds", in: 1...16, help: "How often the executions of the model go round loops. Default: 3.")

    static let command = Command(
        name: "litmus",
        summary: "Runs litmus tests of PTX's memory model that others wrote, to examine the simulator and its judge.",
        discussion: [
            "Each test becomes kernels, which run under all schedules if there are few. Beside that, all executions of "
                + "the test that the model's axioms allow are enumerated.",
            "A test agrees if what its last line asks about is allowed and was seen, or is forbidden and was not. What "
                + "is allowed may also not be seen: the simulator is stronger than the model. What is forbidden must "
                + "not be.",
            "The exit code is 0 if all tests agree or show less than is allowed, and 1 otherwise.",
        ],
        positionals: [
            .init(
                name: "FILE", help: "A litmus test, or a folder of files that end with .litmus.", required: false,
                repeats: true)
        ],
        options: [expected, schedules, time, rounds, CommonOptions.json],
        run: { arguments in
            let expectations = try arguments[expected].map { try LitmusExpectations($0) }
            let paths: [String]
            if arguments.positionals.isEmpty {
                guard let expectations else {
                    throw UsageError.missingArgument("FILE or --expected", path: ["swiftep", "litmus"])
                }
                paths = expectations.paths
            } else {
                paths = try arguments.positionals.flatMap { try LitmusFiles.tests(at: $0) }
            }
            let clock = ContinuousClock()
            let start = clock.now
            var entries: [LitmusReport.Entry] = []
            for path in paths {
                entries.append(try examine(path, expectations?[path], arguments))
                Console.progress("\(entries.count) of \(paths.count) tests")
            }
            let report = LitmusReport(entries, seconds: seconds(clock.now - start))
            if arguments[CommonOptions.json] {
                try Console.json(report)
            } else {
                try Console.result(report.text)
            }
            return report.failed == 0 ? 0 : 1
        })

    private static func examine(
        _ path: String, _ expected: Bool?, _ arguments: Arguments
    ) throws -> LitmusReport.Entry {
        do {
            let test = try LitmusReader.read(LitmusFiles.text(of: path))
            return LitmusReport.Entry(
                path,
                try LitmusExamination(
                    test, expected: expected, schedules: arguments[schedules] ?? 20_000,
                    seconds: arguments[time] ?? 5, rounds: arguments[rounds] ?? 3))
        } catch let error as LitmusError {
            return LitmusReport.Entry(path, unreadable: "\(path):\(error)", expected: expected)
        } catch let error as LitmusFileError {
            return LitmusReport.Entry(path, unreadable: "\(error)", expected: expected)
        }
    }
}
