import Accelerator
import ExpertKernels
import KernelLanguage

/// One MoE layer on one rank: dispatch, the rank's routed experts, the shared expert, combine. The other ranks of the
/// group have the same layer with their own experts, and make the same calls.
///
/// All modes give the same bits. A step only enqueues; it can be captured and replayed with other inputs, token counts
/// and routing, since all of these are read on the device.
public final class MoELayer {
    /// The rank that the layer runs on.
    public let rank: ExpertRank
    let stack: ExpertStack
    /// For each half of the batch, its stack.
    private let halves: [ExpertStack]
    private let fork: Fork
    /// The part of the L2 set aside for data that kernels of a step hand on to each other; nil for none.
    private let l2Share: L2Share?
    /// Whether the step that was enqueued last leaves its experts' rows for `observedExperts`.
    private(set) var keepsRows = false

    private var device: any Device { rank.device }
    private var configuration: GroupConfiguration { rank.configuration }

    /// Events at which work forks from a stream and joins it again.
    private struct Fork {
        /// From a caller's stream to the compute stream.
        let begin: DeviceEvent
        let end: DeviceEvent
        /// From there to the communication stream.
        let send: DeviceEvent
        let sent: DeviceEvent
        /// For each half of the batch: its rows have been received, and its experts are done.
        let received: [DeviceEvent]
        let computed: [DeviceEvent]
    }

    /// Allocates the layer and uploads the rank's own experts.
    ///
    /// - Parameters:
    ///   - rank: The rank that the layer runs on.
    ///   - shared: The shared expert, nil if the model has none. The shape's `sharedExperts` must be the number of
    ///     routed experts that it is as large as, see `ExpertWeights.parts(ofShared:intermediate:)`.
    ///   - weights: Weights of a routed expert, by its number in the layer; called once for each of the rank's own.
    /// - Throws: `GroupError` for weights of a wrong shape, a rank that does not dispatch FP8, or one with scales as
    ///   `.exponents`.
    public convenience init(
        _ rank: ExpertRank, shared: ExpertWeights?, weights: (Int) throws -> ExpertWeights
    ) throws {
        try self.init(rank, shared: shared, droppedSignal: nil, weights: weights)
    }

    /// - Parameter droppedSignal: One signal add of this block of a local expert, routed ones counted from 0, is left
    ///   out, to see the watchdog at work.
    package convenience init(
        _ rank: ExpertRank, shared: ExpertWeights?, droppedSignal: RowBlock?,
        weights: (Int) throws -> ExpertWeights
    ) throws {
        let shape = rank.configuration.shape
        let parts = try shared?.parts(intermediate: shape.intermediate) ?? []
        try self.init(rank, sharedIntermediate: shared?.gate.rows, droppedSignal: droppedSignal) { make in
            try withoutActuallyEscaping(weights) { weights in
                try make(
                    .upload { local in
                        local < parts.count
                            ? parts[local] : try weights(rank.index * shape.localExperts + local - parts.count)
                    })
            }
        }
    }

    /// Allocates the layer and packs the rank's own experts, whose weights are on the device.
    ///
    /// - Throws: `ShapeError` for sizes that are no multiples of 16.
    package convenience init(_ rank: ExpertRank, weights: LayerWeights) throws {
        try weights.require(rank.configuration.shape)
        try self.init(rank, sharedIntermediate: weights.shared?.intermediate, droppedSignal: nil) {
            try $0(.device(weights))
        }
    }

    /// - Parameter source: Calls its argument, which makes the stack, with the source of the weights.
    private init(
        _ rank: ExpertRank, sharedIntermediate: Int?, droppedSignal: RowBlock?,
        source: ((ExpertStack.WeightSource) throws -> ExpertStack) throws -> ExpertStack
    ) throws {
        let (configuration, device) = (rank.configuration, rank.device)
        let shape = configuration.shape
        guard configuration.format == .float8 else { throw GroupError.formatUnsupported(configuration.format) }
        guard configuration.scaleFormat != .exponents else {
            throw GroupError.scaleFormatUnsupported(configuration.scaleFormat)
        }
        if let drop = droppedSignal {
            let blocks = signalBlocks(shape, blockM: configuration.blockM)
            guard (0..<shape.localExperts).contains(drop.expert), (0..<blocks).contains(drop.index)
            else { throw GroupError.noSuchBlock(rank: rank.index, expert: drop.expert, block: drop.index) }
        }
        let parts = ExpertWeights.parts(ofShared: sharedIntermediate, intermediate: shape.intermediate)
        guard parts == shape.sharedExperts else {
            throw GroupError.sharedExperts(
                intermediate: sharedIntermediate ?? 0, expected: parts, made: shape.sharedExperts)
        }
        self.rank = rank
        l2Share = try configuration.setsL2Aside ? rank.keepInL2() : nil
        let stack = try source { source in
            try ExpertStack(
                rank.whole, rank.wholeMemory, overlaps: true,
                droppedSignal: droppedSignal.map { .init(expert: parts + $0.expert, index: $0.index) },
                weights: source)
        }
        self.stack = stack
        halves = try zip(rank.halves, rank.halfMemories).map {
            try ExpertStack($0, $1, overlaps: false, weights: .share(stack))
        }
        for stack in [stack] + halves { try stack.reset(on: rank.compute) }
        try device.synchronize(rank.compute)
        fork = Fork(
            begin: try device.makeEvent(), end: try device.makeEvent(), send: try device.makeEvent(),
            sent: try device.makeEvent(),
            received: try (0..<2).map { _ in try device.makeEvent() },
            computed: try (0..<2).map { _ in try device.makeEvent() })
    }

    // MARK: Steps

    /// A step as a graph.
    public struct CapturedStep {
        /// Graphs hold bare addresses; these keep their memory alive.
        fileprivate let layer: MoELayer
        fileprivate let tokens: TokenMemory
        fileprivate let graph: DeviceGraph
    }

    /// Captures a step for `replay`, or several in a row.
    ///
    /// - Throws: `GroupError.needsReset` after a failure, `.outOfOrder` in the middle of a step, `.noHalves` for two
    ///   batches without `twoBatch`; `DeviceError`.
    public func capture(overlap: OverlapMode, steps: Int = 1) throws -> CapturedStep {
        try rank.requireIdle(before: "capture")
        return try rank.failing {
            let graph = try device.capture(on: rank.compute) {
                for _ in 0..<steps { try launch(overlap, keepingRows: false) }
            }
            return CapturedStep(layer: self, tokens: rank.tokenMemory, graph: graph)
        }
    }

    /// Refuses a step that another layer captured.
    func requireOwn(_ step: CapturedStep) throws(GroupError) { if step.layer !== self { throw .foreignStep } }

    /// Enqueues a captured step with the inputs loaded last; `rank.synchronize()` waits for it.
    ///
    /// - Throws: `GroupError.foreignStep`, `.needsReset`, `.outOfOrder`; `DeviceError`.
    public func replay(_ step: CapturedStep) throws {
        try requireOwn(step)
        try rank.requireIdle(before: "replay")
        keepsRows = false
        try rank.failing { try device.replay(step.graph, on: rank.compute) }
    }

    /// Enqueues a step with the inputs loaded last; `rank.synchronize()` waits for it.
    ///
    /// - Parameters:
    ///   - overlap: The overlap mode.
    ///   - keepingRows: Keeps rows of experts for `observedExperts`. Else they are discarded when they have been added
    ///     up, so that the L2 need not write them to memory.
    /// - Throws: `GroupError.needsReset`, `.outOfOrder`, `.notConnected`, `.noHalves`; `DeviceError`.
    public func enqueue(overlap: OverlapMode, keepingRows: Bool = false) throws {
        keepsRows = false
        try launch(overlap, keepingRows: keepingRows)
        keepsRows = keepingRows && overlap != .twoBatch
    }

    /// Tokens of a step of an engine, in memory of its own: the addresses of the buffers in ``DeviceTokens``, for
    /// `count` tokens.
    package struct EngineTokens: Hashable, Sendable {
        package var count: Int
        package var hiddenStates: UInt64
        package var experts: UInt64
        package var weights: UInt64
        /// nil from callers that have none.
        package var sharedWeights: UInt64?
        package var output: UInt64

        /// Addresses as given.
        package init(
            count: Int, hiddenStates: UInt64, experts: UInt64, weights: UInt64, sharedWeights: UInt64? = nil,
            output: UInt64
        ) {
            self.count = count
            self.hiddenStates = hiddenStates
            self.experts = experts
            self.weights = weights
            self.sharedWeights = sharedWeights
            self.output = output
        }
    }

    /// Enqueues a step in the order of a caller's stream.
    ///
    /// - Throws: `GroupError.tooManyTokens`, `.misaligned`, `.sharedWeightsMissing`, `.sharedWeightsUnread`; nothing is
    ///   enqueued then.
    package func enqueue(overlap: OverlapMode, _ tokens: EngineTokens, on stream: DeviceStream) throws {
        let count = try rank.counts.address(of: tokens.count)
        if configuration.hasSharedGate, tokens.sharedWeights == nil {
            throw GroupError.sharedWeightsMissing(rank: rank.index)
        }
        if !configuration.hasSharedGate, tokens.sharedWeights != nil {
            throw GroupError.sharedWeightsUnread(rank: rank.index)
        }
        if tokens.count > 0 {
            try requireAddress("the hidden states", tokens.hiddenStates, 16)
            try requireAddress("the top-k indices", tokens.experts, 8)
            try requireAddress("the top-k weights", tokens.weights, 4)
            if let shared = tokens.sharedWeights { try requireAddress("the shared weights", shared, 4) }
            try requireAddress("the output", tokens.output, 16)
        }
        try rank.requireIdle(before: "a step")
        if overlap == .twoBatch, rank.halves.isEmpty { throw GroupError.noHalves }
        rank.use(
            TokenAddresses(
                count: count, input: tokens.hiddenStates, experts: tokens.experts, weights: tokens.weights,
                sharedWeights: tokens.sharedWeights, output: tokens.output))
        try device.record(fork.begin, on: stream)
        try device.wait(for: fork.begin, on: rank.compute)
        try enqueue(overlap: overlap)
        try device.record(fork.end, on: rank.compute)
        try device.wait(for: fork.end, on: stream)
    }

    private func launch(_ overlap: OverlapMode, keepingRows: Bool) throws {
        let discards = TokenExchange.Discards(sent: true, combined: !keepingRows)
        switch overlap {
        case .none: try enqueueSequential(discards)
        case .singleBatch: try enqueueSingleBatch(discards)
        case .twoBatch: try enqueueTwoBatch(discards)
        // A GEMM cannot store to ranks that a network reaches; it would have to put row blocks one row after the other.
        case .direct where configuration.network != nil: try enqueueSingleBatch(discards)
        case .direct: try enqueueDirect(discards)
        }
    }

    private func enqueueSequential(_ discards: TokenExchange.Discards) throws {
        let all = configuration.multiprocessors
        let receive = try rank.whole.dispatch()
        try receive()
        try stack.enqueueUp(blocks: all, on: rank.compute)
        try stack.enqueueDown(blocks: all, on: rank.compute)
        let combineReceive = try rank.whole.combine(rank.wholeMemory.output, discarding: discards)
        try combineReceive()
    }

    private func enqueueSingleBatch(_ discards: TokenExchange.Discards) throws {
        let communicating = configuration.communicationMultiprocessors
        let computing = configuration.multiprocessors - communicating
        // While rows are on their way, gate and up run for the shared expert, and then for experts whose rows are
        // there.
        _ = try rank.whole.dispatch()
        try rank.whole.receiveInKernel()
        try stack.enqueueUp(blocks: configuration.arrivingBlocks, arriving: true, on: rank.compute)
        let overlap = CombineOverlap(
            signals: rank.signals, blockM: configuration.blockM, threshold: stack.signalThreshold,
            multiprocessors: communicating)
        if communicating == 0 {
            // A group of one rank has no transfers to hide: signals would only cost time.
            let isAlone = configuration.shape.ranks == 1
            try stack.enqueueDown(blocks: computing, signals: !isAlone, on: rank.compute)
            let combineReceive = try rank.whole.combine(
                rank.wholeMemory.output, overlap: isAlone ? nil : overlap, discarding: discards)
            return try combineReceive()
        }
        try device.record(fork.send, on: rank.compute)
        try device.wait(for: fork.send, on: rank.communication)
        let combineReceive = try rank.whole.combine(
            rank.wholeMemory.output, overlap: overlap, discarding: discards)
        try stack.enqueueDown(blocks: computing, signals: true, on: rank.compute)
        try device.record(fork.sent, on: rank.communication)
        try device.wait(for: fork.sent, on: rank.compute)
        try combineReceive()
    }

    /// Each half's communication is on the communication stream, behind or before the other's; the GEMMs of both are on
    /// the compute stream, on the multiprocessors that are left.
    private func enqueueTwoBatch(_ discards: TokenExchange.Discards) throws {
        guard rank.halves.count == 2 else { throw GroupError.noHalves }
        let communicating = configuration.splitMultiprocessors
        let computing = configuration.multiprocessors - communicating

        try device.record(fork.send, on: rank.compute)
        try device.wait(for: fork.send, on: rank.communication)
        let receives = try rank.halves.map { try $0.dispatch() }
        for (receive, received) in zip(receives, fork.received) {
            try receive()
            try device.record(received, on: rank.communication)
        }
        for (index, half) in halves.enumerated() {
            try device.wait(for: fork.received[index], on: rank.compute)
            try half.enqueueUp(blocks: computing, on: rank.compute)
            try half.enqueueDown(blocks: computing, on: rank.compute)
            try device.record(fork.computed[index], on: rank.compute)
        }
        let combines = try rank.halves.indices.map { index in
            try device.wait(for: fork.computed[index], on: rank.communication)
            return try rank.halves[index].combine(
                rank.halfMemories[index].output, on: rank.communication, multiprocessors: communicating,
                discarding: discards)
        }
        for combineReceive in combines { try combineReceive() }
        try device.record(fork.sent, on: rank.communication)
        try device.wait(for: fork.sent, on: rank.compute)
    }

    private func enqueueDirect(_ discards: TokenExchange.Discards) throws {
        let all = configuration.multiprocessors
        _ = try rank.whole.dispatch()
        try rank.whole.receiveInKernel()
        try stack.enqueueUp(blocks: configuration.arrivingBlocks, arriving: true, on: rank.compute)
        try stack.enqueueDownToHome(blocks: all, on: rank.compute)
        try rank.whole.combineFromKernel(discards: discards.combined)
    }

    /// Enqueues one GEMM of an overlapped step by itself, for tests of its waits.
    package func enqueueAlone(_ phase: StepPhase) throws {
        let blocks = configuration.multiprocessors
        switch phase {
        case .gateUp: try stack.enqueueUp(blocks: blocks, arriving: true, on: rank.compute)
        case .down: try stack.enqueueDown(blocks: blocks, signals: true, on: rank.compute)
        case .dispatchSend, .dispatchReceive, .combineSend, .combineReceive, .rankBarrier: break
        }
    }
}
