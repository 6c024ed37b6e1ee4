import Conformance

/// `swiftep mutate`
enum MutateCommand {
    static let filter = Option<String>.text(
        "filter", "TEXT", help: "Only mutations whose kernel, line, operation or change contain TEXT.")
    static let schedules = Option<Int>.integer(
        "schedules", in: 2...1_000_000,
        help:
            "Schedules of each workload for each mutation; four times as many for what they do not find and no reason "
            + "is known for. Default: 6.")
    static let part = CasePart.option(help: "Of N parts of the mutations only the Ith. Default: all.")
    static let markdown = Option<Bool>.flag("markdown", help: "Print the page docs/mutations.md.")
    static let check = Option<String>.text(
        "check", "PAGE",
        help:
            "Compare with a page that --markdown has printed: it must list the mutations that there are, with what "
            + "became of those that are tried.")

    static let command = Command(
        name: "mutate",
        summary: "Weakens every ordering operation of every kernel in turn, and says which of that exploration finds.",
        discussion: [
            "An order becomes relaxed or plain, a scope narrower; fences, barriers, arrivals and waits are left out; "
                + "polling loops end at once. A line that several kernels of a kind share is weakened in all of them "
                + "at once.",
            "What is not found must be known to be redundant, with a reason. The exit code is 1 if something is "
                + "neither, if a reason is given for what is found, or if the page of --check differs.",
        ],
        options: [filter, part, schedules, markdown, check, CommonOptions.json],
        run: run)

    private static func run(_ arguments: Arguments) throws -> Int32 {
        try refuseConflicts(arguments)
        let page = try arguments[check].map { path throws(UsageError) in try MutationPage(readFrom: path) }
        var survey = MutationSurvey(workloads: try Workload.all(), filter: arguments[filter])
        if let schedules = arguments[schedules] { survey.schedules = schedules }
        if let part = arguments[part] { survey.tries = { part.contains($0) } }
        let findings = try survey.run { finding, done, count in
            Console.progress("\(done) of \(count): \(finding.kernel), \(finding.mutation)")
        }
        guard !findings.isEmpty else {
            throw UsageError.conflict("no mutation contains '\(arguments[filter] ?? "")'")
        }
        if let part = arguments[part], findings.allSatisfy({ $0.verdict == .notTried }) {
            throw part.emptyError(of: findings.count, "mutations")
        }
        let report = MutationReport(findings)
        if arguments[CommonOptions.json] {
            try Console.json(report)
        } else {
            try Console.result(arguments[markdown] ? MutationPage(report).text : report.text)
        }
        let stale = arguments[filter] == nil ? Redundancy.stale(in: findings) : []
        for entry in stale {
            Console.note(
                "swiftep: '\(entry.mutation)' of \(entry.kernel) is no longer redundant; take its entry out")
        }
        let differences = page.map { $0.differences(to: MutationPage(report, knowing: $0)) } ?? []
        if !differences.isEmpty {
            Console.note("swiftep: \(arguments[check] ?? "") is not what --markdown prints; it differs in")
            for line in differences { Console.note(line) }
        }
        return report.unexplained == 0 && stale.isEmpty && differences.isEmpty ? 0 : 1
    }

    private static func refuseConflicts(_ arguments: Arguments) throws(UsageError) {
        if arguments[markdown], arguments[CommonOptions.json] {
            throw .conflict("--markdown and --json do not go together")
        }
        if arguments[filter] != nil, arguments[check] != nil {
            throw .conflict("--filter does not go with --check, as a page has all mutations")
        }
        if arguments[part] != nil, arguments[markdown] {
            throw .conflict("--part does not go with --markdown, as a page says of all mutations what became of them")
        }
    }
}
