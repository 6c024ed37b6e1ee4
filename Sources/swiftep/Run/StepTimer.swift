import Accelerator
import ExpertParallel
import KernelLanguage

/// How long a step took, and by which clock.
struct StepTime {
    /// The whole layer on all ranks.
    var microseconds: Double
    /// What was measured, and how.
    var clock: String
    /// Seconds that the host spent on it; of interest on the simulator.
    var wallSeconds: Double
}

/// What kernels waited for since the last time that this was asked.
struct StepWaits {
    let polls: RankGroup.PollStatistics
    /// nil where nobody takes notes.
    let arrivals: ArrivalReport?

    init(_ group: RankGroup) throws {
        polls = try group.takePollStatistics()
        arrivals = group.configuration.notesArrivals ? ArrivalReport(try group.takeArrivalStatistics()) : nil
    }
}

/// Runs steps of a layer and measures them.
struct StepTimer {
    /// Replays in a row whose time is taken as a whole.
    private static let replays = 20
    /// How often that is measured, for the median.
    private static let rounds = 9

    private let device: any Device
    private let layer: MoELayer
    private let clock: DeviceClock

    init(_ device: any Device, _ layer: MoELayer) throws {
        self.device = device
        self.layer = layer
        clock = try DeviceClock(device)
    }

    /// Runs one step to be verified, and measures: on the simulator that step, on a GPU replays of the step as graphs,
    /// after a step that warms up.
    func run(
        _ inputs: [RankInput], _ mode: OverlapMode
    ) throws -> (outputs: [[BFloat16]], time: StepTime, waits: StepWaits) {
        let simulates = device.properties.kind == .simulator
        if !simulates { _ = try layer.step(inputs, overlap: mode) }
        _ = try StepWaits(layer.group)
        var outputs: [[BFloat16]] = []
        let hostClock = ContinuousClock()
        let begin = hostClock.now
        let nanoseconds = try clock.measure { outputs = try layer.step(inputs, overlap: mode) }
        let wall = seconds(hostClock.now - begin)
        let waits = try StepWaits(layer.group)
        if simulates {
            let time = StepTime(
                microseconds: nanoseconds / 1e3, clock: "simulated time of one step, all ranks", wallSeconds: wall)
            return (outputs, time, waits)
        }
        let median = try replay(inputs, mode, expecting: outputs)
        let time = StepTime(
            microseconds: median / 1e3,
            clock: "device events around \(Self.replays) graph replays in a row, all ranks, median of "
                + "\(Self.rounds) such measurements",
            wallSeconds: wall)
        return (outputs, time, waits)
    }

    /// What the kernels of one replayed step did, with the inputs loaded last, after a step that warms up.
    func timeline(_ mode: OverlapMode) throws -> Timeline {
        let graph = try layer.capture(overlap: mode)
        for _ in 0..<2 {
            _ = try layer.group.takeTimeline()
            try layer.replay(graph)
            try layer.group.synchronize()
        }
        return try layer.group.takeTimeline()
    }

    /// Median nanoseconds of a replayed step. Throws `ReplayError` when replays give other bits than the step did.
    private func replay(
        _ inputs: [RankInput], _ mode: OverlapMode, expecting outputs: [[BFloat16]]
    ) throws -> Double {
        let graph = try layer.capture(overlap: mode)
        try layer.replay(graph)
        try layer.group.synchronize()
        let times = try (0..<Self.rounds).map { _ in
            try clock.measure {
                for _ in 0..<Self.replays { try layer.replay(graph) }
            } / Double(Self.replays)
        }
        try layer.group.synchronize()
        guard try layer.outputs(inputs) == outputs else { throw ReplayError(mode: mode) }
        return median(times) ?? 0
    }
}

/// A captured step does not give what the step itself gave.
struct ReplayError: Error, CustomStringConvertible {
    /// The mode of the step.
    let mode: OverlapMode

    /// One sentence.
    var description: String {
        "the captured step with overlap \(mode.rawValue) gives other bits than the step itself; please report this"
    }
}
