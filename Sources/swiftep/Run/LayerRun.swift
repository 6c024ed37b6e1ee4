import Accelerator
import ExpertKernels
import ExpertParallel
import KernelLanguage

/// One MoE layer on a device, run in all modes that were asked for, and judged.
struct LayerRun {
    private let device: any Device
    private let source: LayerSource
    private let settings: RunSettings
    private let configuration: GroupConfiguration

    /// Throws `UsageError` for a dropped signal that the layer does not have.
    init(_ device: any Device, _ source: LayerSource, _ settings: RunSettings) throws {
        self.device = device
        self.source = source
        self.settings = settings
        var configuration = GroupConfiguration(
            shape: source.shape, deviceMultiprocessors: device.properties.multiprocessors, blockM: settings.blockM,
            communicationMultiprocessors: settings.communicationMultiprocessors,
            waitLimit: settings.waitLimit(on: device.properties.kind), link: settings.link)
        configuration.traced = settings.timeline != nil
        configuration.notesArrivals = settings.arrivals
        configuration.onFailure = settings.onFailure
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

    /// Runs the layer. Throws what goes wrong on the way; wrong results are reported instead.
    func run() throws -> RunReport {
        Console.progress("routing \(settings.tokens) tokens on each of \(source.shape.ranks) ranks")
        let inputs = try randomInputs(source, tokens: settings.tokens, seed: settings.seed)
        let shared = try source.checkpoint.sharedExpert()
        Console.progress("uploading the experts to \(device.properties.name)")
        let group = try RankGroup(device: device, configuration: configuration)
        let layer = try MoELayerGroup(group, shared: shared, droppedSignal: settings.droppedSignal) {
            try source.checkpoint.expert($0)
        }
        let timer = try StepTimer(device, layer, replays: settings.replays(on: device.properties.kind))

        var judge: LayerJudge?
        var results: [ModeResult] = []
        var first: [[BFloat16]] = []
        for mode in settings.modes {
            Console.progress("running a step with overlap \(mode.rawValue)")
            let step = try timer.step(inputs, mode)
            let outputs = step.outputs
            if judge == nil {
                // Before replays, which discard the rows that the reference checks, as steps of half batches do.
                if mode == .twoBatch { _ = try layer.step(inputs, overlap: .none) }
                Console.progress("computing the FP64 reference")
                judge = try LayerJudge(layer, inputs, missing: missing(in: group), shared: shared) {
                    try source.checkpoint.expert($0)
                }
                first = outputs
            }
            guard let verification = judge?.judge(outputs) else { continue }
            let time = try timer.time(step, inputs, mode)
            results.append(
                ModeResult(
                    mode, verification, outputs, step.waits, time,
                    difference: firstDifference(outputs, first, hidden: source.shape.hidden)))
        }
        if let file = settings.timeline, let mode = settings.modes.last {
            try TimelineFile(file: file, title: title(mode)).write(try timer.timeline(mode))
        }
        return RunReport(
            device.properties, configuration, settings,
            origin: source.origin + (source.checkpoint.conversionLoss.map { ", \($0.text)" } ?? ""),
            shared: shared?.gate.rows, results, masked: try masked(in: group))
    }

    private func masked(in group: RankGroup) throws -> [[MaskedRank]] {
        configuration.onFailure == .mask ? try group.maskedRanks() : []
    }

    /// Whose experts' terms outputs lack.
    private func missing(in group: RankGroup) throws -> MissingRanks {
        let masked = try masked(in: group).enumerated().map { ($0, Set($1.map(\.rank))) }
        return MissingRanks(masked: Dictionary(uniqueKeysWithValues: masked))
    }

    private func title(_ mode: OverlapMode) -> String {
        let shape = source.shape
        return
            "\(device.properties.name): one step, overlap \(mode.rawValue), \(shape.ranks) ranks x \(settings.tokens) tokens, "
            + "hidden \(shape.hidden), \(shape.experts) experts" + (settings.link.map { ", links of \($0)" } ?? "")
    }
}
