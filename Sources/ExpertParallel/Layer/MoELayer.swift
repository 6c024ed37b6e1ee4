import Accelerator
import ExpertKernels
import KernelLanguage

/// One MoE layer on a group of ranks: dispatch, the routed experts, the shared expert, combine.
///
/// All modes give the same bits. A step only enqueues; it can be captured per rank and replayed with other inputs, token
/// counts and routing, since all of these are read on the device.
public final class MoELayer {
    /// The group that the layer runs on.
    public let group: RankGroup
    var device: any Device { group.device }
    let stacks: [ExpertStack]
    /// For each half of the batch, its stacks of all ranks.
    private let halves: [[ExpertStack]]
    private let forks: [Fork]
    /// For what kernels of a step hand on to each other.
    private let l2Share: L2Share
    /// Ranks whose step that was enqueued last leaves its experts' rows for `observedExperts`.
    private var ranksKeepingRows: Set<Int> = []
    var keepsRows: Bool { ranksKeepingRows.count == group.ranks.count }

    /// Where work on a rank's communication stream leaves its compute stream and comes back.
    private struct Fork {
        let send: DeviceEvent
        let sent: DeviceEvent
        /// For each half of the batch: its rows have been received, and its experts are done.
        let received: [DeviceEvent]
        let computed: [DeviceEvent]
    }

    /// Leaves out one signal add on one rank, to see the watchdog at work.
    public struct DroppedSignal: Hashable, Sendable {
        /// The rank whose GEMM leaves the add out.
        public var rank: Int
        /// Local expert of that rank.
        public var expert: Int
        /// Block of rows.
        public var block: Int

        /// The add of `block` of local `expert` on `rank`.
        public init(rank: Int, expert: Int, block: Int) {
            self.rank = rank
            self.expert = expert
            self.block = block
        }
    }

    /// Allocates the layer and uploads each rank's own experts.
    ///
    /// - Parameters:
    ///   - shared: The shared expert, nil if the model has none. The shape's `sharedExperts` must be the number of routed
    ///     experts that it is as large as, see `ExpertWeights.parts(ofShared:intermediate:)`.
    ///   - droppedSignal: Test hook; overlapped steps in which that block has rows then end in
    ///     `GroupError.waitTimedOut`.
    ///   - weights: Weights of a routed expert, by global number; called once for each.
    /// - Throws: `GroupError` for weights of a wrong shape or a group that does not dispatch FP8.
    public init(
        _ group: RankGroup, shared: ExpertWeights?, droppedSignal: DroppedSignal? = nil,
        weights: (Int) throws -> ExpertWeights
    ) throws {
        let configuration = group.configuration
        let shape = configuration.shape
        guard configuration.format == .float8 else { throw GroupError.formatUnsupported(configuration.format) }
        if let drop = droppedSignal {
            let blocks = signalBlocks(shape, blockM: configuration.blockM)
            guard (0..<shape.ranks).contains(drop.rank), (0..<shape.localExperts).contains(drop.expert),
                (0..<blocks).contains(drop.block)
            else { throw GroupError.noSuchBlock(rank: drop.rank, expert: drop.expert, block: drop.block) }
        }
        self.group = group
        let device = group.device
        l2Share = try device.keepInL2(bytes: configuration.keptBytes)
        let parts = try shared?.parts(intermediate: shape.intermediate) ?? []
        guard parts.count == shape.sharedExperts else {
            throw GroupError.sharedExperts(
                intermediate: shared?.gate.rows ?? 0, expected: parts.count, made: shape.sharedExperts)
        }
        stacks = try withoutActuallyEscaping(weights) { weights in
            try group.ranks.map { rank in
                let stack = try KernelBuilder.$isTracing.withValue(configuration.traced) {
                    try ExpertStack(
                        device, shape.expertsOfRank(blockM: configuration.blockM),
                        rank.stackOperands,
                        ranks: ExpertStack.Ranks(
                            window: configuration.window, arriving: group.arriving(rank), home: group.home(rank),
                            rowSignals: rank.rowSignals),
                        traces: rank.stackTraces,
                        label: "rank \(rank.index)", scratch: (rank.scratch, rank.downScratch), signals: rank.signals,
                        droppedSignal: droppedSignal.flatMap {
                            $0.rank == rank.index ? .init(expert: parts.count + $0.expert, block: $0.block) : nil
                        },
                        weights: .upload { local in
                            local < parts.count
                                ? parts[local] : try weights(rank.index * shape.localExperts + local - parts.count)
                        })
                }
                try stack.reset(on: rank.compute)
                try device.synchronize(rank.compute)
                return stack
            }
        }
        let stacks = stacks
        halves = try KernelBuilder.$isTracing.withValue(configuration.traced) {
            try group.halves.map { half in
                try zip(half.ranks, stacks).map { rank, whole in
                    let stack = try ExpertStack(
                        device, half.configuration.shape.expertsOfRank(blockM: half.configuration.blockM),
                        rank.stackOperands,
                        traces: rank.stackTraces,
                        label: "a half of rank \(rank.index)", scratch: (rank.scratch, rank.downScratch), signals: nil,
                        weights: .share(whole))
                    try stack.reset(on: rank.compute)
                    try device.synchronize(rank.compute)
                    return stack
                }
            }
        }
        forks = try group.ranks.map { _ in
            Fork(
                send: try device.makeEvent(), sent: try device.makeEvent(),
                received: try (0..<2).map { _ in try device.makeEvent() },
                computed: try (0..<2).map { _ in try device.makeEvent() })
        }
    }

    /// Runs one step and waits for it. Rows of its experts are kept for `observedExperts`.
    ///
    /// - Parameter inputs: One for each rank.
    /// - Returns: The combined hidden states of each rank, BF16 `[tokens, hidden]`.
    /// - Throws: `GroupError` for bad inputs, before anything runs, or for a wait that timed out.
    public func step(_ inputs: [RankInput], overlap: OverlapMode) throws -> [[BFloat16]] {
        try group.load(inputs)
        for rank in group.ranks { try enqueue(rank, overlap: overlap, keepingRows: true) }
        try group.synchronize()
        return try outputs(inputs)
    }

    /// The results of the step that `inputs` were loaded for.
    public func outputs(_ inputs: [RankInput]) throws -> [[BFloat16]] {
        try group.requireOnePerRank(inputs)
        return try zip(group.ranks, inputs).map { try group.output(of: $0, tokens: $1.routing.tokens) }
    }

    /// Captures a step of every rank for `replay`, or several in a row.
    public func capture(overlap: OverlapMode, steps: Int = 1) throws -> CapturedStep {
        try group.requireIdle(before: "capture")
        var graphs: [DeviceGraph] = []
        try group.failing {
            graphs = try group.ranks.map { rank in
                try device.capture(on: rank.compute) {
                    for _ in 0..<steps { try launch(rank, overlap: overlap, keepingRows: false) }
                }
            }
        }
        return CapturedStep(layer: self, graphs: graphs)
    }

    /// A step of every rank as graphs.
    public struct CapturedStep {
        /// Graphs hold bare addresses; this keeps what they point at.
        fileprivate let layer: MoELayer
        fileprivate let graphs: [DeviceGraph]
    }

    /// Enqueues a captured step with the inputs loaded last. `group.synchronize()` waits for it.
    public func replay(_ step: CapturedStep) throws {
        guard step.layer === self else { throw GroupError.foreignStep }
        try group.requireIdle(before: "replay")
        ranksKeepingRows = []
        try group.failing {
            for (rank, graph) in zip(group.ranks, step.graphs) { try device.replay(graph, on: rank.compute) }
        }
    }

    /// Enqueues the step of one rank.
    ///
    /// - Parameter keepingRows: Keeps rows of experts for `observedExperts`. Else they are discarded when they have been added up, so
    ///   that the L2 need not write them to memory.
    public func enqueue(_ rank: Rank, overlap: OverlapMode, keepingRows: Bool = false) throws {
        try group.requireOwn(rank)
        ranksKeepingRows.remove(rank.index)
        try launch(rank, overlap: overlap, keepingRows: keepingRows)
        if keepingRows && overlap != .twoBatch { ranksKeepingRows.insert(rank.index) }
    }

    private func launch(_ rank: Rank, overlap: OverlapMode, keepingRows: Bool) throws {
        let discards = RankGroup.Discards(sent: true, combined: !keepingRows)
        switch overlap {
        case .none: try enqueueSequential(rank, discards)
        case .singleBatch: try enqueueSingleBatch(rank, discards)
        case .twoBatch: try enqueueTwoBatch(rank, discards)
        case .direct: try enqueueDirect(rank, discards)
        }
    }

    private func enqueueSequential(_ rank: Rank, _ discards: RankGroup.Discards) throws {
        let all = group.configuration.multiprocessors
        let stack = stacks[rank.index]
        let receive = try group.dispatch(rank)
        try receive()
        try stack.enqueueUp(blocks: all, on: rank.compute)
        try stack.enqueueDown(blocks: all, on: rank.compute)
        let combineReceive = try group.combine(rank, discarding: discards)
        try combineReceive()
    }

    private func enqueueSingleBatch(_ rank: Rank, _ discards: RankGroup.Discards) throws {
        let configuration = group.configuration
        let communicating = configuration.communicationMultiprocessors
        let computing = configuration.multiprocessors - communicating
        let stack = stacks[rank.index]
        let fork = forks[rank.index]

        // While rows are on their way, gate and up run for the shared expert, and then for experts whose rows are there.
        _ = try group.dispatch(rank)
        try group.receiveInKernel(rank)
        try stack.enqueueUp(blocks: configuration.multiprocessors, arriving: true, on: rank.compute)
        let overlap = RankGroup.CombineOverlap(
            signals: rank.signals, blockM: configuration.blockM, threshold: stack.signalThreshold,
            multiprocessors: communicating)
        if communicating == 0 {
            try stack.enqueueDown(blocks: computing, signals: true, on: rank.compute)
            let combineReceive = try group.combine(rank, overlap: overlap, discarding: discards)
            return try combineReceive()
        }
        try device.record(fork.send, on: rank.compute)
        try device.wait(for: fork.send, on: rank.communication)
        let combineReceive = try group.combine(rank, overlap: overlap, discarding: discards)
        try stack.enqueueDown(blocks: computing, signals: true, on: rank.compute)
        try device.record(fork.sent, on: rank.communication)
        try device.wait(for: fork.sent, on: rank.compute)
        try combineReceive()
    }

    /// Each half's communication is on the communication stream, behind or before the other's; the GEMMs of both are on the
    /// compute stream, on the multiprocessors that are left.
    private func enqueueTwoBatch(_ rank: Rank, _ discards: RankGroup.Discards) throws {
        guard group.halves.count == 2 else { throw GroupError.noHalves }
        let configuration = group.configuration
        let communicating = configuration.splitMultiprocessors
        let computing = configuration.multiprocessors - communicating
        let fork = forks[rank.index]
        let parts = zip(group.halves, halves).map { (group: $0, rank: $0.ranks[rank.index], stack: $1[rank.index]) }

        try device.record(fork.send, on: rank.compute)
        try device.wait(for: fork.send, on: rank.communication)
        let receives = try parts.map { try $0.group.dispatch($0.rank) }
        for (receive, received) in zip(receives, fork.received) {
            try receive()
            try device.record(received, on: rank.communication)
        }
        for (index, part) in parts.enumerated() {
            try device.wait(for: fork.received[index], on: rank.compute)
            try part.stack.enqueueUp(blocks: computing, on: rank.compute)
            try part.stack.enqueueDown(blocks: computing, on: rank.compute)
            try device.record(fork.computed[index], on: rank.compute)
        }
        let combines = try zip(parts, fork.computed).map { part, computed in
            try device.wait(for: computed, on: rank.communication)
            return try part.group.combine(
                part.rank, on: rank.communication, multiprocessors: communicating, discarding: discards)
        }
        for combineReceive in combines { try combineReceive() }
        try device.record(fork.sent, on: rank.communication)
        try device.wait(for: fork.sent, on: rank.compute)
    }

    /// Enqueues one GEMM of an overlapped step by itself, to see it wait for what nobody delivers.
    package func enqueueAlone(_ phase: StepPhase, of rank: Rank) throws {
        let (stack, blocks) = (stacks[rank.index], group.configuration.multiprocessors)
        switch phase {
        case .gateUp: try stack.enqueueUp(blocks: blocks, arriving: true, on: rank.compute)
        case .down: try stack.enqueueDown(blocks: blocks, signals: true, on: rank.compute)
        case .dispatchSend, .dispatchReceive, .combineSend, .combineReceive: break
        }
    }

    private func enqueueDirect(_ rank: Rank, _ discards: RankGroup.Discards) throws {
        let all = group.configuration.multiprocessors
        let stack = stacks[rank.index]
        _ = try group.dispatch(rank)
        try group.receiveInKernel(rank)
        try stack.enqueueUp(blocks: all, arriving: true, on: rank.compute)
        try stack.enqueueDownToHome(blocks: all, on: rank.compute)
        try group.combineFromKernel(rank, discards: discards.combined)
    }
}

extension Rank {
    /// What the rank's experts read and write.
    fileprivate var stackOperands: ExpertStack.Operands {
        ExpertStack.Operands(rows: rows, rowScales: rowScales, counts: receivedCount, output: expertOutput)
    }

    /// How the launches of their GEMMs begin.
    fileprivate var stackTraces: ExpertStack.Traces {
        ExpertStack.Traces(gateUp: traceArguments(.gateUp), down: traceArguments(.down))
    }
}
