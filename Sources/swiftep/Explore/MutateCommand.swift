import Conformance

/// `swiftep mutate`
enum MutateCommand {
    static let filter = Option<String>.text(
        "filter", "TEXT", help: "Only mutations whose kernel, line, operation or change contain TEXT.")
    static let schedules = Option<Int>.integer(
        "schedules", in: 2...1_000_000,
        help:
            "Schedules of each workload for each mutation; four times as many for what they do not find and no reason is "
            + "known for. Default: 6.")
    static let markdown = Option<Bool>.flag("markdown", help: "Print the table of docs/mutations.md.")

    static let command = Command(
        name: "mutate",
        summary: "Weakens every ordering operation of every kernel in turn, and says which of that exploration finds.",
        discussion: [
            "An order becomes relaxed or plain, a scope narrower; fences, barriers, arrivals and waits are left out; "
                + "polling loops end at once. A line that several kernels of a kind share is weakened in all of them "
                + "at once.",
            "What is not found must be known to be redundant, with a reason. The exit code is 1 if something is "
                + "neither, or if a reason is given for what is found.",
        ],
        options: [filter, schedules, markdown, CommonOptions.json],
        run: { arguments in
            guard !(arguments[markdown] && arguments[CommonOptions.json]) else {
                throw UsageError.conflict("--markdown and --json do not go together")
            }
            var survey = MutationSurvey(workloads: try Workload.all(), filter: arguments[filter])
            if let schedules = arguments[schedules] { survey.schedules = schedules }
            let findings = try survey.run { finding, done, count in
                Console.progress("\(done) of \(count): \(finding.kernel), \(finding.mutation)")
            }
            guard !findings.isEmpty else {
                throw UsageError.conflict("no mutation contains '\(arguments[filter] ?? "")'")
            }
            let report = MutationReport(findings)
            if arguments[CommonOptions.json] {
                try Console.json(report)
            } else {
                try Console.result(arguments[markdown] ? report.markdown : report.text)
            }
            let stale = arguments[filter] == nil ? Redundancy.stale(in: findings) : []
            for entry in stale {
                Console.note(
                    "swiftep: '\(entry.mutation)' of \(entry.kernel) is no longer redundant; take its entry out")
            }
            return report.unexplained == 0 && stale.isEmpty ? 0 : 1
        })
}
