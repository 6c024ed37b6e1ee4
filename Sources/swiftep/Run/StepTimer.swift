import Accelerator
import ExpertParallel
import KernelLanguage

/// The time of a step, and its clock.
struct StepTime: Codable {
    /// The whole layer on all ranks.
    var microseconds: Double
    /// The clock and the method, in words.
    var clock: String
    /// Seconds that the host spent on it; of interest on the simulator.
    var wallSeconds: Double

    /// The time of a step of several processes, each of which took its own: that of the slowest.
    init(slowestOf times: [StepTime]) {
        self = times.dropFirst().reduce(times[0]) { $0.microseconds >= $1.microseconds ? $0 : $1 }
        if times.count > 1 { clock += ", the slowest of \(times.count) processes" }
    }

    /// A time as given.
    init(microseconds: Double, clock: String, wallSeconds: Double) {
        self.microseconds = microseconds
        self.clock = clock
        self.wallSeconds = wallSeconds
    }
}

/// The waits of kernels since the last reading.
struct StepWaits: Codable {
    let polls: PollStatistics
    /// nil where arrivals are not noted.
    let arrivals: ArrivalReport?

    /// The waits of all processes.
    init(_ all: [StepWaits]) {
        polls = PollStatistics(
            notReady: all.reduce(0) { $0 + $1.polls.notReady }, waits: all.reduce(0) { $0 + $1.polls.waits })
        let reports = all.compactMap(\.arrivals)
        arrivals = reports.isEmpty ? nil : ArrivalReport(reports)
    }

    init(_ group: RankGroup) throws {
        polls = try group.takePollStatistics()
        arrivals = group.configuration.notesArrivals ? ArrivalReport(try group.takeArrivalStatistics()) : nil
    }
}

/// Runs steps of a layer and measures them. All processes do the same.
struct StepTimer {
    private let processes: Processes
    private let layer: MoELayerGroup
    private let clock: DeviceClock
    private let replays: Int

    /// A timer that takes the time of `replays` graph replays in a row, or with 0 of a single step.
    init(_ processes: Processes, _ layer: MoELayerGroup, replays: Int) throws {
        self.processes = processes
        self.layer = layer
        self.replays = replays
        clock = try DeviceClock(processes.device)
    }

    /// A step that has been run.
    struct Step {
        /// The outputs of each rank, BF16 `[tokens, hidden]`.
        let outputs: [[BFloat16]]
        let waits: StepWaits
        fileprivate let nanoseconds: Double
        fileprivate let wallSeconds: Double
    }

    /// Runs one step, after one that warms up where replays are to be timed. Its experts' rows are kept for the
    /// reference until the next step or replay.
    func step(_ inputs: [RankInput], _ mode: OverlapMode) throws -> Step {
        if replays > 0 { _ = try layer.step(inputs, overlap: mode) }
        _ = try StepWaits(layer.group)
        try processes.meet("a step")
        var outputs: [[BFloat16]] = []
        let hostClock = ContinuousClock()
        let begin = hostClock.now
        let nanoseconds = try clock.measure { outputs = try layer.step(inputs, overlap: mode) }
        let wall = seconds(hostClock.now - begin)
        return Step(
            outputs: outputs, waits: try StepWaits(layer.group), nanoseconds: nanoseconds, wallSeconds: wall)
    }

    /// The time of the step that `step` ran last: its own, or that of its replays, which must give the same bits.
    func time(_ step: Step, _ inputs: [RankInput], _ mode: OverlapMode) throws -> StepTime {
        let simulates = processes.device.properties.kind == .simulator
        guard replays > 0 else {
            return StepTime(
                microseconds: step.nanoseconds / 1e3,
                clock: clockName(simulates) + " the first step, all ranks",
                wallSeconds: step.wallSeconds)
        }
        // Simulated time has no noise.
        let rounds = simulates ? 1 : 9
        let nanoseconds = try replay(inputs, mode, rounds: rounds, expecting: step.outputs)
        return StepTime(
            microseconds: nanoseconds / 1e3,
            clock: clockName(simulates) + " \(replays) graph replays in a row, all ranks"
                + (rounds > 1 ? ", median of \(rounds) such measurements" : ""),
            wallSeconds: step.wallSeconds)
    }

    /// The clock in words: simulated time only where the simulator alone advances it.
    private func clockName(_ simulates: Bool) -> String {
        if !simulates { return "device events around" }
        return processes.group == nil ? "simulated time of" : "time of this machine, which simulates,"
    }

    /// The timeline of one replayed step, with the inputs loaded last, after a step that warms up.
    func timeline(_ mode: OverlapMode) throws -> Timeline {
        let graph = try layer.capture(overlap: mode)
        for _ in 0..<2 {
            _ = try layer.group.takeTimeline()
            try processes.meet("a timeline")
            try layer.replay(graph)
            try layer.group.synchronize()
        }
        return try layer.group.takeTimeline()
    }

    /// Median nanoseconds of a replayed step. Throws `ReplayError` when replays give other bits than the step did.
    private func replay(
        _ inputs: [RankInput], _ mode: OverlapMode, rounds: Int, expecting outputs: [[BFloat16]]
    ) throws -> Double {
        let graph = try layer.capture(overlap: mode)
        try layer.clearOutputs()
        try layer.replay(graph)
        try layer.group.synchronize()
        let times = try (0..<rounds).map { _ in
            try processes.meet("a measurement")
            return try clock.measure {
                for _ in 0..<replays { try layer.replay(graph) }
            } / Double(replays)
        }
        try layer.group.synchronize()
        guard try layer.outputs(inputs) == outputs else { throw ReplayError(mode: mode) }
        return median(times) ?? 0
    }
}

/// A captured step whose outputs differ from those of the step itself.
struct ReplayError: Error, CustomStringConvertible {
    /// The mode of the step.
    let mode: OverlapMode

    /// One sentence.
    var description: String {
        "the captured step with overlap \(mode.rawValue) gives other bits than the step itself; please report this"
    }
}
