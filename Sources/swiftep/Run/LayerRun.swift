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
    private let configuration: GroupConfiguration

    private var device: any Device { processes.device }

    /// - Parameter timeline: Where the first process writes what kernels did.
    /// - Throws: `UsageError` for a dropped signal that the layer does not have.
    init(_ processes: Processes, _ source: LayerSource, _ settings: RunSettings, timeline: OutputFile?) throws {
        self.processes = processes
        self.source = source
        self.settings = settings
        self.timeline = timeline
        let properties = processes.device.properties
        var configuration = GroupConfiguration(
            shape: source.shape, deviceMultiprocessors: properties.multiprocessors,
            ranksOnDevice: processes.ranksOnDevice, blockM: settings.blockM,
            communicationMultiprocessors: settings.communicationMultiprocessors,
            waitLimit: settings.waitLimit(on: processes), link: settings.link)
        configuration.traced = settings.timeline != nil
        configuration.notesArrivals = settings.arrivals
        configuration.twoBatch = settings.modes.contains(.twoBatch)
        self.configuration = configuration
        if let dropped = settings.droppedSignal { try check(dropped) }
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
    /// - Returns: What the first process reports; nil in others.
    /// - Throws: What goes wrong on the way; wrong results are reported instead.
    func run() throws -> RunReport? {
        progress("routing \(settings.tokens) tokens on each of \(source.shape.ranks) ranks")
        let inputs = try randomInputs(source, tokens: settings.tokens, seed: settings.seed)
        let local = processes.local(inputs)
        let shared = try source.checkpoint.sharedExpert()
        progress("uploading the experts to \(device.properties.name)")
        let layer = try MoELayerGroup(
            processes.makeGroup(configuration), shared: shared, droppedSignal: settings.droppedSignal
        ) { try source.checkpoint.expert($0) }
        let timer = try StepTimer(processes, layer, replays: settings.replays(on: device.properties.kind))

        var judge: LayerJudge?
        var results: [ModeResult] = []
        var first: [[BFloat16]] = []
        for mode in settings.modes {
            progress("running a step with overlap \(mode.rawValue)")
            let step = try timer.step(local, mode)
            let outputs = try processes.gather(outputs: step.outputs)
            let waits = try processes.gather("what was waited for", step.waits)
            if first.isEmpty {
                first = outputs
                // Before replays, which discard the rows that the reference checks, as steps of half batches do.
                if mode == .twoBatch { _ = try layer.step(local, overlap: .none) }
                let observed = try processes.gather(layer.observedExperts(local))
                if processes.isFirst {
                    progress("computing the FP64 reference")
                    judge = try LayerJudge(source.shape, inputs, observed: observed, shared: shared) {
                        try source.checkpoint.expert($0)
                    }
                }
            }
            let times = try processes.gather("times", timer.time(step, local, mode))
            if let verification = judge?.judge(outputs) {
                results.append(
                    ModeResult(
                        mode, verification, outputs, StepWaits(waits), StepTime(slowestOf: times),
                        difference: firstDifference(outputs, first, hidden: source.shape.hidden)))
            }
        }
        if settings.timeline != nil, let mode = settings.modes.last { try write(timer.timeline(mode), mode) }
        guard processes.isFirst else { return nil }
        return RunReport(
            processes, configuration, settings,
            origin: source.origin + (source.checkpoint.conversionLoss.map { ", \($0.text)" } ?? ""),
            shared: shared?.gate.rows, results)
    }

    /// Brings the timelines of all processes together, in the clock of the first one's device.
    private func write(_ own: Timeline, _ mode: OverlapMode) throws {
        let clock = try processes.group == nil ? nil : ClockRelation(device)
        let clocks = try processes.gather("clocks", clock)
        let all = try processes.gather("timelines", own)
        guard let timeline else { return }
        let merged = Timeline(all, clocks: clocks.compactMap { $0 })
        try TimelineFile(file: timeline, title: title(mode, clocks.compactMap { $0 })).write(merged)
    }

    private func title(_ mode: OverlapMode, _ clocks: [ClockRelation]) -> String {
        let shape = source.shape
        return
            "\(device.properties.name): one step, overlap \(mode.rawValue), \(shape.ranks) ranks x \(settings.tokens) tokens, "
            + "hidden \(shape.hidden), \(shape.experts) experts" + (settings.link.map { ", links of \($0)" } ?? "")
            + (clocks.isEmpty ? "" : ", \(clocks.count) processes, " + ClockRelation.accuracy(clocks))
    }

    private func progress(_ text: @autoclosure () -> String) {
        if processes.isFirst { Console.progress(text()) }
    }
}
