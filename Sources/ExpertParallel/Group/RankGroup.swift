import Accelerator
import ExpertKernels
import KernelLanguage

/// The ranks of an expert-parallel group, in one process on one device.
///
/// A step is: `dispatch` on every rank, the receive hooks it returns, the experts, and `combine` with its hooks. All calls
/// only enqueue work on the ranks' streams; `synchronize` waits for it and reports failed waits.
///
/// Memory between ranks is written with release and read with acquire at system scope, so the kernels are the same when
/// windows of other devices are mapped. A group is used from one thread at a time.
public final class RankGroup {
    /// The device that all ranks share.
    public let device: any Device
    /// Shape and split.
    public let configuration: GroupConfiguration
    /// The ranks, in order.
    public let ranks: [Rank]
    /// UInt64 `[ranks]`: addresses of the windows.
    private let peers: DeviceBuffer
    private let kernels: CommunicationKernels
    /// Two groups for the halves of the batch, if they are wanted.
    let halves: [RankGroup]
    /// Whether launches may begin before the kernel before them has ended.
    private let launchesEarly: Bool
    private let steps: StepOrder

    /// Allocates all memory of the group and prepares its communication kernels.
    ///
    /// - Throws: `GroupError` when the configuration could not be resident or fits no kernel; `DeviceError` when memory
    ///   runs out.
    public convenience init(device: any Device, configuration: GroupConfiguration) throws {
        try configuration.validate(on: device.properties)
        try self.init(device: device, configuration: configuration, half: nil)
    }

    /// - Parameter half: The group whose inputs, outputs and streams this one shares, and which half of the batch it takes.
    private init(device: any Device, configuration: GroupConfiguration, half: (of: [Rank], number: Int)?) throws {
        self.device = device
        self.configuration = configuration
        kernels = try KernelBuilder.$isTracing.withValue(configuration.traced) {
            try CommunicationKernels(device, configuration)
        }
        let ranks = try (0..<configuration.shape.ranks).map { index in
            try Rank(index, device: device, configuration, half: half.map { (of: $0.of[index], number: $0.number) })
        }
        self.ranks = ranks
        launchesEarly = half == nil
        halves =
            configuration.twoBatch
            ? try (0..<2).map { number in
                try RankGroup(device: device, configuration: configuration.half(), half: (of: ranks, number: number))
            } : []
        peers = try device.makeBuffer(ranks.map(\.window.address), label: "windows")
        steps = StepOrder(ranks: configuration.shape.ranks)
        for rank in ranks { try rank.reset(device) }
    }

    /// Gives the group back its state before the first step, after a failed one. Poll statistics start anew as well.
    public func reset() throws {
        try device.synchronize()
        for rank in ranks { try rank.reset(device) }
        steps.reset()
        for half in halves { try half.reset() }
    }

    /// Copies the inputs of a step to the device. Nothing of the group may be running.
    ///
    /// - Throws: `GroupError` naming the first value that is out of range; nothing is copied then.
    public func load(_ inputs: [RankInput]) throws {
        try requireOnePerRank(inputs)
        for (rank, input) in inputs.enumerated() { try input.validate(rank: rank, configuration.shape) }
        for (rank, input) in zip(ranks, inputs) {
            try rank.load(input, maxTokens: configuration.shape.maxTokens, device)
        }
    }

    /// The combined hidden states of a rank, BF16 `[tokens, hidden]`.
    public func output(of rank: Rank, tokens: Int) throws -> [BFloat16] {
        try requireOwn(rank)
        let most = configuration.shape.maxTokens
        guard (0...most).contains(tokens) else {
            throw GroupError.tooManyTokens(rank: rank.index, tokens: tokens, maxTokens: most)
        }
        return try device.read(BFloat16.self, count: tokens * configuration.shape.hidden, from: rank.output)
    }

    // MARK: Dispatch and combine

    /// What is left to do of a phase whose send is on its way: call it to enqueue the receive. Between send and receive
    /// nothing of the phase occupies a multiprocessor.
    public typealias ReceiveHook = () throws -> Void

    /// Sends the rank's tokens to their experts' ranks.
    ///
    /// - Returns: The hook that enqueues the receive, after which `rows`, `rowScales`, `receivedCount`, `sourceInfo` and
    ///   `layoutRange` of the rank hold what arrived.
    public func dispatch(_ rank: Rank) throws -> ReceiveHook {
        // One block for the counts, the others take a token each.
        try dispatchSend(rank, blocks: min(configuration.shape.maxTokens + 1, configuration.multiprocessors))
        return { [self] in try receive(rank, kernels.dispatchReceive) }
    }

    /// Tells how many rows the rank sends, and sends none: to see those at work that wait for them.
    package func dispatchNothing(_ rank: Rank) throws { try dispatchSend(rank, blocks: 1) }

    private func dispatchSend(_ rank: Rank, blocks: Int) throws {
        try launch(
            kernels.dispatchSend, rank, .dispatched, .dispatchSend, blocks: blocks, on: rank.compute,
            arguments: [
                .address(rank.tokenCount.address), .address(rank.input.address), .address(rank.experts.address),
                .address(peers.address), .uint32(UInt32(rank.index)), .address(rank.step.address),
                .address(rank.receivedCount.address), .address(rank.layoutRange.address),
                .address(rank.signals.address),
            ] + link(rank) + watchdog(rank))
    }

    private func receive(_ rank: Rank, _ kernel: LoadedKernel) throws {
        let shape = configuration.shape
        try launch(
            kernel, rank, .received, .dispatchReceive,
            blocks: min((shape.rankExperts + 15) / 16, configuration.multiprocessors),
            on: rank.compute,
            arguments: [.address(rank.receivedCount.address)] + watchdog(rank) + arriving(rank))
    }

    /// A whole step of one rank that is nothing but a dispatch.
    package func dispatchOnly(_ rank: Rank) throws {
        _ = try dispatch(rank)
        try receive(rank, kernels.dispatchReceiveOnly)
        try steps.advance(rank.index, to: .combined)
        try steps.advance(rank.index, to: .idle)
    }

    /// Leaves the receive of a dispatch to the kernel that comes next on the rank's compute stream.
    func receiveInKernel(_ rank: Rank) throws {
        try requireOwn(rank)
        try steps.advance(rank.index, to: .received)
    }

    /// The arguments of a kernel that waits for rows itself: window, rank, step.
    func arriving(_ rank: Rank) -> [KernelArgument] {
        [.address(rank.window.address), .uint32(UInt32(rank.index)), .address(rank.step.address)]
    }

    private func link(_ rank: Rank) -> [KernelArgument] {
        configuration.link == nil ? [] : [.address(rank.linkBusy.address)]
    }

    private func watchdog(_ rank: Rank) -> [KernelArgument] {
        [.address(rank.faultRecord.address), .uint64(waitNanoseconds)]
    }

    /// How a combine send runs beside the GEMM that produces its rows.
    public struct CombineOverlap: Sendable {
        /// UInt32 `[rankExperts, blocks]`, one add by the producer for each finished tile of a block. Each step starts at
        /// zero: the dispatch send clears the rank's own `signals`, any other buffer is the caller's to clear.
        public var signals: DeviceBuffer
        /// Rows per signal; must be the group's.
        public var blockM: Int
        /// The signal's value at which a block is complete.
        public var threshold: Int
        /// Multiprocessors that the send has to itself beside the producer; with 0 it comes behind the producer on the
        /// compute stream, and takes over multiprocessors as the producer's blocks end.
        public var multiprocessors: Int

        /// An overlap as given.
        public init(signals: DeviceBuffer, blockM: Int, threshold: Int, multiprocessors: Int) {
            self.signals = signals
            self.blockM = blockM
            self.threshold = threshold
            self.multiprocessors = multiprocessors
        }
    }

    /// Sends the rows of `expertOutput` home, where they are added up by the receive hook into `output`.
    ///
    /// - Parameters:
    ///   - overlap: Poll signals and send each block when it is complete, instead of all at once.
    ///   - stream: If nil, the rank's communication stream for an overlapped send, else its compute stream.
    ///   - multiprocessors: Most that a send without overlap may use; all of the rank's when nil.
    /// - Returns: The hook that enqueues the receive on the rank's compute stream.
    public func combine(
        _ rank: Rank, overlap: CombineOverlap? = nil, on stream: DeviceStream? = nil, multiprocessors: Int? = nil
    ) throws -> ReceiveHook {
        try combine(
            rank, overlap: overlap, on: stream, multiprocessors: multiprocessors,
            discarding: Discards(sent: false, combined: true))
    }

    /// Which rows a combine discards when it has read them, so that the L2 need not write them to memory.
    struct Discards {
        /// Those of `expertOutput`.
        let sent: Bool
        /// Those that have come home.
        let combined: Bool
    }

    /// The same for a caller who knows which rows nobody wants any more.
    func combine(
        _ rank: Rank, overlap: CombineOverlap? = nil, on stream: DeviceStream? = nil, multiprocessors: Int? = nil,
        discarding discards: Discards
    ) throws -> ReceiveHook {
        if let overlap { try validate(overlap) }
        let own = overlap?.multiprocessors ?? 0
        let isBeside = own > 0
        if isBeside, stream == rank.compute { throw GroupError.overlapOnComputeStream(rank: rank.index) }
        // Before the producer in time, it would hold all multiprocessors that the producer needs.
        if overlap != nil, !isBeside, let stream, stream != rank.compute {
            throw GroupError.splitImpossible(communication: 0, perRank: configuration.multiprocessors)
        }
        try launch(
            overlap == nil ? kernels.combineSend : kernels.combineSendOverlapped, rank, .combined, .combineSend,
            blocks: isBeside ? own : min(multiprocessors ?? .max, configuration.multiprocessors),
            on: stream ?? (isBeside ? rank.communication : rank.compute),
            arguments: [
                .address(rank.expertOutput.address), .address(rank.receivedCount.address), .address(peers.address),
                .uint32(UInt32(rank.index)), .address((overlap?.signals ?? rank.signals).address),
                .uint32(UInt32(overlap?.threshold ?? 0)), .address(rank.statistics.address),
                .uint32(discards.sent ? 1 : 0), .address(rank.step.address),
            ] + link(rank) + watchdog(rank), dependent: !isBeside && stream == nil)
        return { [self] in try combineReceive(rank, discards: discards.combined, dependent: !isBeside) }
    }

    /// Enqueues the receive of rows that the kernel before sends home by itself.
    func combineFromKernel(_ rank: Rank, discards: Bool) throws {
        try requireOwn(rank)
        try steps.advance(rank.index, to: .combined)
        try combineReceive(rank, discards: discards, dependent: true)
    }

    private func combineReceive(_ rank: Rank, discards: Bool, dependent: Bool) throws {
        try launch(
            kernels.combineReceive, rank, .idle, .combineReceive,
            blocks: min(configuration.shape.maxTokens, configuration.multiprocessors), on: rank.compute,
            arguments: [
                .address(rank.window.address), .uint32(UInt32(rank.index)), .address(rank.tokenCount.address),
                .address(rank.experts.address), .address(rank.weights.address),
                .address(rank.output.address), .address(rank.step.address), .uint32(discards ? 1 : 0),
            ] + watchdog(rank), dependent: dependent)
    }

    /// The arguments of a kernel that sends rows home itself: peers, rank, step, and links if there are any.
    func home(_ rank: Rank) -> [KernelArgument] {
        [.address(peers.address), .uint32(UInt32(rank.index)), .address(rank.step.address)] + link(rank)
    }

    /// Enqueues a kernel that brings `rank` to `phase`. When that fails, the step cannot be finished.
    private func launch(
        _ kernel: LoadedKernel, _ rank: Rank, _ phase: StepOrder.Phase, _ name: StepPhase, blocks: Int,
        on stream: DeviceStream, arguments: [KernelArgument], dependent: Bool = true
    ) throws {
        try requireOwn(rank)
        try steps.advance(rank.index, to: phase)
        try failing {
            try device.launch(
                kernel, blocks: blocks, arguments: rank.traceArguments(name) + arguments,
                dependentLaunch: dependent && launchesEarly,
                on: stream)
        }
    }

    /// Marks the group as failed when `body` throws.
    func failing(_ body: () throws -> Void) throws {
        do {
            try body()
        } catch {
            steps.fail()
            throw error
        }
    }

    /// Refuses inputs that are more or fewer than the ranks.
    func requireOnePerRank(_ inputs: [RankInput]) throws(GroupError) {
        if inputs.count != ranks.count { throw .inputCount(given: inputs.count, ranks: ranks.count) }
    }

    /// Refuses a rank of another group.
    func requireOwn(_ rank: Rank) throws(GroupError) {
        guard ranks.indices.contains(rank.index), ranks[rank.index] === rank else { throw .foreignRank(rank.index) }
    }

    /// Refuses to go on after a failure, or in the middle of a step.
    func requireIdle(before call: String) throws(GroupError) { try steps.requireIdle(before: call) }

    private func validate(_ overlap: CombineOverlap) throws {
        guard overlap.blockM == configuration.blockM else { throw GroupError.blockHeight(overlap.blockM) }
        guard (1...Int(UInt32.max)).contains(overlap.threshold) else { throw GroupError.threshold(overlap.threshold) }
        guard overlap.signals.bytes >= configuration.signalCount * 4 else {
            throw GroupError.bufferTooSmall(
                overlap.signals.label, bytes: overlap.signals.bytes, needed: configuration.signalCount * 4)
        }
        guard (0..<configuration.multiprocessors).contains(overlap.multiprocessors) else {
            throw GroupError.splitImpossible(
                communication: overlap.multiprocessors, perRank: configuration.multiprocessors)
        }
    }

    private var waitNanoseconds: UInt64 { UInt64(configuration.waitLimit * 1e9) }

    // MARK: Completion

    /// Waits for all enqueued work of the group.
    ///
    /// - Throws: `GroupError.waitTimedOut` when a kernel gave up waiting; the group must then be `reset()`.
    public func synchronize() throws {
        try failing {
            for rank in ranks {
                try device.synchronize(rank.compute)
                try device.synchronize(rank.communication)
            }
        }
        let faults = try ranks.compactMap { rank in
            WaitFault(
                record: try device.read(UInt64.self, count: WaitFault.words, from: rank.faultRecord),
                rank: rank.index, shape: configuration.shape)
        }
        // Those that were given up later may have waited for the first one.
        let inOrder = faults.sorted { $0.time < $1.time }
        if let first = inOrder.first {
            steps.fail()
            throw GroupError.waitTimedOut(
                first, seconds: configuration.waitLimit, others: Array(inOrder.dropFirst()))
        }
    }

    /// How the combine sends' polls went, summed over the ranks since the last call.
    public struct PollStatistics: Hashable, Sendable {
        /// Polls that found their block not complete.
        public var notReady: Int
        /// Rows that were waited for.
        public var waits: Int
    }

    /// Reads the statistics and starts them anew. Nothing of the group may be running.
    public func takePollStatistics() throws -> PollStatistics {
        var result = PollStatistics(notReady: 0, waits: 0)
        for rank in ranks {
            let words = try device.read(UInt64.self, count: 2, from: rank.statistics)
            result.notReady += Int(words[0])
            result.waits += Int(words[1])
            try device.write([UInt64](repeating: 0, count: 2), to: rank.statistics)
        }
        return result
    }
}
