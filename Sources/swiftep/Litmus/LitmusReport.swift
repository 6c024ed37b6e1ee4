import Litmus

/// The results of litmus tests.
struct LitmusReport: Encodable {
    /// One test.
    struct Entry: Encodable {
        let file: String
        /// Its name in the file.
        let name: String?
        /// One of the verdicts, or `cannot be read`.
        let verdict: String
        /// Whether its last line should hold; nil without an expectation.
        let expected: Bool?
        /// Whether the model allows what the last line asks about.
        let allowed: Bool?
        /// Whether a schedule showed it.
        let seen: Bool?
        /// Schedules run; 0 if the simulator cannot run the test.
        let schedules: Int
        /// Whether those were all schedules that there are.
        let complete: Bool
        /// Ends that the model allows, of all that filter and last line look at.
        let allowedEnds: Int?
        /// Ends that schedules showed.
        let seenEnds: Int?
        /// Schedules in which threads waited forever.
        let hangs: Int?
        /// Whether some allowed execution has a data race.
        let modelRace: Bool?
        /// Whether the judge reported one.
        let judgeRace: Bool?
        /// Why the simulator cannot run the test.
        let obstacle: String?
        /// Why the test cannot be read.
        let error: String?
        /// A schedule that shows a forbidden end, where one was seen.
        let schedule: String?

        init(_ file: String, _ examination: LitmusExamination) {
            let simulation = examination.simulation
            self.file = file
            name = examination.test.name
            verdict = examination.verdict.rawValue
            expected = examination.expected
            allowed = examination.model.isComplete ? examination.model.isReachable : nil
            seen = simulation == nil ? nil : examination.isSeen
            schedules = simulation?.schedules ?? 0
            complete = simulation?.isComplete ?? false
            allowedEnds = examination.model.isComplete ? examination.model.ends.count : nil
            seenEnds = simulation?.ends.count
            hangs = simulation?.hangs
            modelRace = examination.model.isComplete ? examination.model.hasRace : nil
            judgeRace = simulation.map { $0.race != nil }
            obstacle = examination.obstacle?.description
            error = nil
            let isFault = examination.verdict == .seenThoughForbidden
            let stray = examination.strays.first.flatMap { simulation?.ends[$0] }
            schedule = isFault ? (stray ?? examination.shown).map { "\($0)" } : nil
        }

        init(_ file: String, unreadable error: String, expected: Bool?) {
            self.file = file
            self.error = error
            self.expected = expected
            verdict = LitmusReport.unreadable
            (name, allowed, seen, allowedEnds, seenEnds, hangs) = (nil, nil, nil, nil, nil, nil)
            (modelRace, judgeRace, obstacle, schedule) = (nil, nil, nil, nil)
            (schedules, complete) = (0, false)
        }

        /// Whether judge and model disagree about races.
        var judgeDiffers: Bool { modelRace != nil && judgeRace != nil && modelRace != judgeRace }
    }

    private static let unreadable = "cannot be read"

    let entries: [Entry]
    /// Wall time.
    let seconds: Double
    let agree: Int
    let allowedButNotSeen: Int
    let seenThoughForbidden: Int
    let expectedOtherwise: Int
    let undecided: Int
    let unreadable: Int
    /// Tests that the simulator cannot run.
    let notRun: Int
    /// Tests in which judge and model disagree about races.
    let judgeDiffers: Int

    init(_ entries: [Entry], seconds: Double) {
        func count(_ verdict: LitmusExamination.Verdict) -> Int {
            entries.count { $0.verdict == verdict.rawValue }
        }
        self.entries = entries
        self.seconds = seconds
        agree = count(.agrees)
        allowedButNotSeen = count(.allowedButNotSeen)
        seenThoughForbidden = count(.seenThoughForbidden)
        expectedOtherwise = count(.expectedOtherwise)
        undecided = count(.undecided)
        unreadable = entries.count { $0.error != nil }
        notRun = entries.count { $0.obstacle != nil }
        judgeDiffers = entries.count { $0.judgeDiffers }
    }

    /// Tests that show a fault, or that are undecided or cannot be read.
    var failed: Int { seenThoughForbidden + expectedOtherwise + undecided + unreadable }

    /// A table, the faults below it, and a sum.
    var text: String {
        var table = Table([
            ("verdict", .left), ("model", .left), ("seen", .left), ("schedules", .right), ("", .left),
            ("judge", .left), ("test", .left),
        ])
        for entry in entries {
            table.add([
                entry.verdict, entry.allowed.map { $0 ? "allowed" : "forbidden" } ?? "-",
                entry.seen.map { $0 ? "yes" : "no" } ?? "-", "\(entry.schedules)", entry.complete ? "all" : "",
                judge(entry), entry.file,
            ])
        }
        let notes = entries.compactMap { entry -> String? in
            if let error = entry.error { return error }
            if let obstacle = entry.obstacle { return "\(entry.file): not run; the kernel language lacks \(obstacle)" }
            return entry.schedule.map { "\(entry.file): seen though forbidden with schedule \($0)" }
        }
        let sum =
            "\(entries.count) tests in \(fixed(seconds, 1)) s: \(agree) agree, \(allowedButNotSeen) allowed but not "
            + "seen, \(seenThoughForbidden) seen though forbidden, \(expectedOtherwise) expected otherwise, "
            + "\(undecided) undecided, \(unreadable) cannot be read; \(notRun) not run; judge and model differ about races in "
            + "\(judgeDiffers)"
        return (["\(table)"] + (notes.isEmpty ? [] : [""] + notes) + ["", sum]).joined(separator: "\n")
    }

    private func judge(_ entry: Entry) -> String {
        guard let judge = entry.judgeRace else { return "-" }
        let word = judge ? "race" : "clean"
        return entry.judgeDiffers ? "\(word), model \(judge ? "clean" : "race")" : word
    }
}
