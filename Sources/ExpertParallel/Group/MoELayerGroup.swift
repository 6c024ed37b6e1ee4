import Accelerator
import ExpertKernels
import KernelLanguage

/// One MoE layer on all ranks of a group that are in this process.
public final class MoELayerGroup {
    /// The ranks that the layer runs on.
    public let group: RankGroup
    /// The layer of each rank.
    public let layers: [MoELayer]

    /// Leaves out one signal add on one rank, to see the watchdog at work.
    package struct DroppedSignal: Hashable, Sendable {
        /// The rank whose GEMM leaves the add out.
        package var rank: Int
        /// Local expert of that rank.
        package var expert: Int
        /// Block of rows.
        package var block: Int

        /// The add of `block` of local `expert` on `rank`.
        package init(rank: Int, expert: Int, block: Int) {
            self.rank = rank
            self.expert = expert
            self.block = block
        }
    }

    /// Allocates the layer and uploads each rank's own experts; see ``MoELayer``.
    ///
    /// - Parameters:
    ///   - group: The ranks that the layer runs on.
    ///   - shared: The shared expert, nil if the model has none.
    ///   - weights: Weights of a routed expert, by its number in the layer; called once for each.
    /// - Throws: `GroupError` for weights of a wrong shape or a group that does not dispatch FP8.
    public convenience init(
        _ group: RankGroup, shared: ExpertWeights?, weights: (Int) throws -> ExpertWeights
    ) throws {
        try self.init(group, shared: shared, droppedSignal: nil, weights: weights)
    }

    /// The same with a signal left out. Throws `GroupError.noSuchBlock` for one that the group does not have.
    package init(
        _ group: RankGroup, shared: ExpertWeights?, droppedSignal: DroppedSignal?,
        weights: (Int) throws -> ExpertWeights
    ) throws {
        self.group = group
        if let drop = droppedSignal, !(0..<group.configuration.shape.ranks).contains(drop.rank) {
            throw GroupError.noSuchBlock(rank: drop.rank, expert: drop.expert, block: drop.block)
        }
        layers = try group.ranks.map { rank in
            let dropped = droppedSignal.flatMap { drop in
                drop.rank == rank.index ? RowBlock(expert: drop.expert, index: drop.block) : nil
            }
            return try MoELayer(rank, shared: shared, droppedSignal: dropped, weights: weights)
        }
    }

    /// Runs one step and waits for it. Rows of its experts are kept for `observedExperts`.
    ///
    /// - Parameters:
    ///   - inputs: One for each rank.
    ///   - overlap: The overlap mode.
    /// - Returns: The combined hidden states of each rank, BF16 `[tokens, hidden]`.
    /// - Throws: `GroupError` for bad inputs, before anything runs, or for a wait that timed out.
    public func step(_ inputs: [RankInput], overlap: OverlapMode) throws -> [[BFloat16]] {
        try group.load(inputs)
        try group.spreadingFailure {
            for layer in layers { try layer.enqueue(overlap: overlap, keepingRows: true) }
        }
        try group.synchronize()
        return try outputs(inputs)
    }

    /// The results of the step that `inputs` were loaded for.
    ///
    /// - Throws: `GroupError.inputCount`, `.tooManyTokens`; `DeviceError`.
    public func outputs(_ inputs: [RankInput]) throws -> [[BFloat16]] {
        try group.requireOnePerRank(inputs)
        return try zip(group.ranks, inputs).map { try $0.output(tokens: $1.routing.tokens) }
    }

    /// A step of every rank as graphs.
    public struct CapturedStep {
        fileprivate let steps: [MoELayer.CapturedStep]
    }

    /// Captures a step of every rank for `replay`, or several in a row.
    ///
    /// - Throws: `GroupError.needsReset` after a failure, `.outOfOrder` in the middle of a step, `.noHalves` for two
    ///   batches without `twoBatch`; `DeviceError`.
    public func capture(overlap: OverlapMode, steps: Int = 1) throws -> CapturedStep {
        try group.requireIdle(before: "capture")
        return try group.failing {
            CapturedStep(steps: try layers.map { try $0.capture(overlap: overlap, steps: steps) })
        }
    }

    /// Enqueues a captured step with the inputs loaded last. `group.synchronize()` waits for it.
    ///
    /// - Throws: `GroupError.foreignStep`, `.needsReset`, `.outOfOrder`; `DeviceError`.
    public func replay(_ step: CapturedStep) throws {
        try group.requireIdle(before: "replay")
        for (layer, step) in zip(layers, step.steps) { try layer.requireOwn(step) }
        try group.failing {
            for (layer, step) in zip(layers, step.steps) { try layer.replay(step) }
        }
    }

    /// Enqueues the step of one rank; see ``MoELayer/enqueue(overlap:keepingRows:)``.
    ///
    /// - Throws: `GroupError.foreignRank`, and the errors of ``MoELayer/enqueue(overlap:keepingRows:)``.
    public func enqueue(_ rank: ExpertRank, overlap: OverlapMode, keepingRows: Bool = false) throws {
        guard let index = group.ranks.firstIndex(where: { $0 === rank }) else {
            throw GroupError.foreignRank(rank.index)
        }
        try group.spreadingFailure { try layers[index].enqueue(overlap: overlap, keepingRows: keepingRows) }
    }

    /// Sets all outputs to zero, so that later values have been written anew. Nothing may be running.
    package func clearOutputs() throws {
        for rank in group.ranks {
            try rank.device.fill(rank.combined, with: 0, on: rank.compute)
            try rank.device.synchronize(rank.compute)
        }
    }
}
