import Accelerator
import ExpertKernels
import ExpertParallel
import KernelLanguage

/// One MoE layer on the devices of all processes, run in all modes that were asked for, and judged.
struct LayerRun {
    private let processes: Processes
    private let source: LayerSource
    private let settings: RunSettings
    private let timeline: OutputFile?
    private let tensors: OutputFile?
    private let configuration: GroupConfiguration

    private var device: any Device { processes.device }

    /// - Parameters:
    ///   - timeline: The file to which the first process writes the timeline.
    ///   - tensors: The file to which it writes the step's inputs and outputs.
    /// - Throws: `UsageError` for a dropped signal that the layer does not have.
    init(
        _ processes: Processes, _ source: LayerSource, _ settings: RunSettings, timeline: OutputFile?,
        tensors: OutputFile?
    ) throws {
        self.processes = processes
        self.source = source
        self.settings = settings
        self.timeline = timeline
        self.tensors = tensors
        let properties = processes.device.properties
        var configuration = GroupConfiguration(
            shape: source.shape, deviceMultiprocessors: properties.multiprocessors,
            ranksOnDevice: processes.ranksOnDevice, blockM: settings.blockM,
            communicationMultiprocessors: settings.communicationMultiprocessors,
            waitLimit: settings.waitLimit(on: processes), link: settings.link, network: settings.network)
        configuration.scaleFormat = source.scaleFormat
        configuration.hasSharedGate = source.checkpoint.configuration.hasSharedGate
        configuration.channelScales = source.checkpoint.hasChannelScales
        configuration.activation = source.activation
        configuration.traced = settings.timeline != nil
        configuration.notesArrivals = settings.arrivals
        configuration.twoBatch = settings.modes.contains(.twoBatch)
        configuration.onFailure = settings.onFailure
        self.configuration = configuration
        if let dropped = settings.droppedSignal { try check(dropped) }
        if let lost = settings.lostRank, lost.rank >= source.shape.ranks {
            throw UsageError.invalidValue(
                option: "--lose-rank", value: "\(lost.rank)",
                expected: "a rank from 0 to \(source.shape.ranks - 1)")
        }
    }

    private func check(_ dropped: MoELayerGroup.DroppedSignal) throws(UsageError) {
        let shape = source.shape
        let blocks = (shape.maxRows + configuration.blockM - 1) / configuration.blockM
        guard dropped.rank < shape.ranks, dropped.expert < shape.localExperts, dropped.block < blocks else {
            throw .invalidValue(
                option: "--drop-signal", value: "\(dropped.rank):\(dropped.expert):\(dropped.block)",
                expected:
                    "a rank from 0 to \(shape.ranks - 1), a local expert from 0 to \(shape.localExperts - 1) and a "
                    + "block from 0 to \(blocks - 1)")
        }
    }

    /// Runs the layer.
    ///
    /// - Returns: The report, in the process that reports; nil in others.
    /// - Throws: The errors of the run; wrong results are reported instead.
    func run() throws -> RunReport? {
        if processes.isReturning { try processes.meet("a return") }
        processes.progress("routing \(settings.tokens) tokens on each of \(source.shape.ranks) ranks")
        let inputs = try randomInputs(source, tokens: settings.tokens, seed: settings.seed)
        let shared = try source.checkpoint.sharedExpert()
        processes.progress("uploading the experts to \(device.properties.name)")
        let layer = try MoELayerGroup(
            processes.makeGroup(configuration), shared: shared, droppedSignal: settings.droppedSignal
        ) { try source.checkpoint.expert($0) }
        let timer = try StepTimer(processes, layer, replays: settings.replays(on: device.properties.kind))
        var modes = ModeRuns(processes, source, layer, timer, inputs, shared: shared)
        var results: [ModeResult] = []
        if !processes.isReturning {
            if let lost = settings.lostRank { try arm(lost, layer, modes.local) }
            for mode in settings.modes { try modes.run(mode).map { results.append($0) } }
        }
        if settings.restarts, processes.isReturning || !processes.absent.isEmpty {
            processes.progress("taking ranks in again")
            try modes.readmit()
            for mode in settings.modes { try modes.run(mode, note: ", after the return").map { results.append($0) } }
        }
        if settings.timeline != nil, let mode = settings.modes.last { try write(timer.timeline(mode), mode) }
        guard processes.isFirst else { return nil }
        if let tensors, let outputs = modes.outputs {
            let shape = source.shape
            try StepTensors(inputs: inputs, outputs: outputs, hidden: shape.hidden, topK: shape.topK).write(to: tensors)
        }
        return RunReport(
            processes, configuration, settings,
            origin: source.origin + (source.checkpoint.conversionLoss.map { ", \($0.text)" } ?? ""),
            shared: shared?.gate.rows, activationsPerToken: source.checkpoint.hasActivationsPerToken, results,
            modes.losses)
    }

    /// Has the process of a rank lost in the next step.
    private func arm(_ lost: LostRank, _ layer: MoELayerGroup, _ inputs: [RankInput]) throws {
        let clock = ContinuousClock()
        _ = try layer.step(inputs, overlap: settings.modes[0])
        try processes.meet("a step")
        let start = clock.now
        _ = try layer.step(inputs, overlap: settings.modes[0])
        let time = seconds(clock.now - start)
        try processes.meet("a step")
        if processes.localRanks.contains(lost.rank) { lost.arm(seconds: time) }
    }

    /// Brings the timelines of all processes together, in the clock of the first one's device.
    private func write(_ own: Timeline, _ mode: OverlapMode) throws {
        let clock = try processes.group == nil ? nil : ClockRelation(device)
        let clocks = try processes.gather("clocks", clock).compactMap { $0 ?? nil }
        let all = try processes.gather("timelines", own).compactMap { $0 }
        // The process that was to write it may have gone.
        guard processes.isFirst, let file = try timeline ?? settings.openTimeline() else { return }
        try TimelineFile(file: file, title: title(mode, clocks)).write(Timeline(all, clocks: clocks))
    }

    private func title(_ mode: OverlapMode, _ clocks: [ClockRelation]) -> String {
        let shape = source.shape
        return
            "\(device.properties.name): one step, overlap \(mode.rawValue), \(shape.ranks) ranks x \(settings.tokens) tokens, "
            + "hidden \(shape.hidden), \(shape.experts) experts" + (settings.link.map { ", links of \($0)" } ?? "")
            + (clocks.isEmpty ? "" : ", \(clocks.count) processes, " + ClockRelation.accuracy(clocks))
    }
}
