import ExpertParallel
import KernelLanguage

/// Runs a layer in one mode after the other, and judges and compares the outputs.
struct ModeRuns {
    private let processes: Processes
    private let source: LayerSource
    private let layer: MoELayerGroup
    private let timer: StepTimer
    private let inputs: [RankInput]
    private let shared: ExpertWeights?
    /// The inputs of this process's ranks.
    let local: [RankInput]
    /// The ranks that the run goes on without.
    var losses: Losses
    private var reference: Reference?
    /// The outputs of the first mode, of all ranks, in the process that reports; nil before.
    var outputs: [[BFloat16]]? { reference?.outputs }

    /// The reference that outputs are compared with.
    private struct Reference {
        /// The judge, in the process that reports.
        let judge: LayerJudge?
        /// The outputs of the first mode.
        let outputs: [[BFloat16]]
        let absent: Set<Int>
    }

    init(
        _ processes: Processes, _ source: LayerSource, _ layer: MoELayerGroup, _ timer: StepTimer,
        _ inputs: [RankInput], shared: ExpertWeights?
    ) {
        self.processes = processes
        self.source = source
        self.layer = layer
        self.timer = timer
        self.inputs = inputs
        self.shared = shared
        local = processes.local(inputs)
        losses = Losses(processes, layer)
    }

    /// Readmits ranks that were lost.
    mutating func readmit() throws {
        try losses.readmit()
        // Processes that have come back have none.
        reference = nil
    }

    /// Runs one mode; when ranks are lost meanwhile, runs it again without them.
    ///
    /// - Parameter note: Text after the mode's name in the report.
    /// - Returns: The results, in the process that reports.
    mutating func run(_ mode: OverlapMode, note: String = "") throws -> ModeResult? {
        while true {
            processes.progress("running a step with overlap \(mode.rawValue)")
            let step = try timer.step(local, mode)
            guard try losses.settle() else { continue }
            guard let outputs = try outputs(of: step, mode), let times = try times(of: step, mode) else { continue }
            let waits = try processes.gather("what was waited for", step.waits).compactMap { $0 }
            if processes.absentRanks != losses.absent { continue }
            guard let reference, let verification = reference.judge?.judge(outputs) else { return nil }
            return ModeResult(
                mode, note: note, verification, outputs, StepWaits(waits), StepTime(slowestOf: times),
                difference: firstDifference(outputs, reference.outputs, hidden: source.shape.hidden))
        }
    }

    /// The outputs of all ranks that are left; nil when some were lost meanwhile.
    private mutating func outputs(of step: StepTimer.Step, _ mode: OverlapMode) throws -> [[BFloat16]]? {
        let outputs = try processes.gather(outputs: step.outputs)
        if processes.absentRanks != losses.absent { return nil }
        if let reference, reference.absent == losses.absent { return outputs }
        // Before replays, which discard the rows that the reference checks, as steps of half batches do.
        if mode == .twoBatch {
            _ = try layer.step(local, overlap: .none)
            guard try losses.settle() else { return nil }
        }
        let observed = try processes.gather(layer.observedExperts(local, missing: losses.missing))
        if processes.absentRanks != losses.absent { return nil }
        var judge: LayerJudge?
        if processes.isFirst {
            processes.progress("computing the FP64 reference")
            judge = try LayerJudge(
                layer.group.configuration, inputs, observed: observed, missing: losses.missing, shared: shared
            ) { try source.checkpoint.expert($0) }
        }
        reference = Reference(judge: judge, outputs: outputs, absent: losses.absent)
        return outputs
    }

    /// The times of the step in each process that is left; nil when some were lost meanwhile.
    private mutating func times(of step: StepTimer.Step, _ mode: OverlapMode) throws -> [StepTime]? {
        let time = Result { try timer.time(step, local, mode) }
        guard try losses.settle() else { return nil }
        let times = try processes.gather("times", time.get()).compactMap { $0 }
        return processes.absentRanks == losses.absent ? times : nil
    }
}
