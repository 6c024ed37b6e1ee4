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
    private let steps: StepOrder

    /// Allocates all memory of the group and prepares its communication kernels.
    ///
    /// - Throws: `GroupError` when the configuration could not be resident or fits no kernel; `DeviceError` when memory
    ///   runs out.
    public init(device: any Device, configuration: GroupConfiguration) throws {
        try configuration.validate(deviceMultiprocessors: device.properties.multiprocessors)
        self.device = device
        self.configuration = configuration
        kernels = try CommunicationKernels(device, configuration)
        ranks = try (0..<configuration.shape.ranks).map { try Rank($0, device: device, configuration) }
        peers = try device.makeBuffer(ranks.map(\.window.address), label: "windows")
        steps = StepOrder(ranks: configuration.shape.ranks)
        for rank in ranks { try rank.reset(device) }
    }

    /// Gives the group back its state before the first step, after a failed one.
    public func reset() throws {
        try device.synchronize()
        for rank in ranks { try rank.reset(device) }
        steps.reset()
    }

    /// Copies the inputs of a step to the device. Nothing of the group may be running.
    ///
    /// - Throws: `GroupError` naming the first value that is out of range; nothing is copied then.
    public func load(_ inputs: [RankInput]) throws {
        guard inputs.count == ranks.count else {
            throw GroupError.inputCount(given: inputs.count, ranks: ranks.count)
        }
        for (rank, input) in inputs.enumerated() { try input.validate(rank: rank, configuration.shape) }
        for (rank, input) in zip(ranks, inputs) { try rank.load(input, device) }
    }

    /// The combined hidden states of a rank, BF16 `[tokens, hidden]`.
    public func output(of rank: Rank, tokens: Int) throws -> [BFloat16] {
        try device.read(BFloat16.self, count: tokens * configuration.shape.hidden, from: rank.output)
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
        try steps.advance(rank.index, to: .dispatched)
        try device.launch(
            kernels.dispatchSend, blocks: configuration.multiprocessors,
            arguments: [
                .address(rank.tokenCount.address), .address(rank.input.address), .address(rank.experts.address),
                .address(peers.address), .uint32(UInt32(rank.index)), .address(rank.dispatchSent.address),
                .address(rank.dispatchStep.address),
            ], dependentLaunch: false, on: rank.compute)
        return { [self] in
            try steps.advance(rank.index, to: .received)
            let shape = configuration.shape
            try device.launch(
                kernels.dispatchReceive,
                blocks: min(shape.localExperts * shape.ranks, configuration.communicationMultiprocessors * 4),
                arguments: [
                    .address(rank.window.address), .uint32(UInt32(rank.index)), .address(rank.rows.address),
                    .address(rank.rowScales.address), .address(rank.receivedCount.address),
                    .address(rank.sourceInfo.address), .address(rank.choices.address),
                    .address(rank.layoutRange.address), .address(rank.dispatchStep.address),
                    .address(rank.signals.address), .address(rank.faultRecord.address), .uint64(waitNanoseconds),
                ], dependentLaunch: false, on: rank.compute)
        }
    }

    /// How a combine send runs beside the GEMM that produces its rows.
    public struct CombineOverlap: Sendable {
        /// UInt32 `[localExperts, blocks]`, raised by the producer as DESIGN's signals.
        public var signals: DeviceBuffer
        /// Rows per signal; must be the group's.
        public var blockM: Int
        /// The signal's value at which a block is complete.
        public var threshold: Int
        /// Multiprocessors that the send may use.
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
    ///   - stream: The rank's compute stream if nil. An overlapped send must be on another stream than its producer.
    ///   - shared: BF16 `[maxTokens, hidden]` to be added to the sum, such as the shared expert's result.
    /// - Returns: The hook that enqueues the receive on the rank's compute stream.
    public func combine(
        _ rank: Rank, overlap: CombineOverlap? = nil, on stream: DeviceStream? = nil, adding shared: DeviceBuffer? = nil
    ) throws -> ReceiveHook {
        if let overlap { try validate(overlap) }
        try steps.advance(rank.index, to: .combined)
        try device.launch(
            overlap == nil ? kernels.combineSend : kernels.combineSendOverlapped,
            blocks: overlap?.multiprocessors ?? configuration.multiprocessors,
            arguments: [
                .address(rank.expertOutput.address), .address(rank.receivedCount.address),
                .address(rank.sourceInfo.address), .address(rank.choices.address), .address(rank.layoutRange.address),
                .address(peers.address), .uint32(UInt32(rank.index)),
                .address((overlap?.signals ?? rank.signals).address), .uint32(UInt32(overlap?.threshold ?? 0)),
                .address(rank.combineSent.address), .address(rank.combineStep.address),
                .address(rank.statistics.address), .address(rank.faultRecord.address), .uint64(waitNanoseconds),
            ], dependentLaunch: false, on: stream ?? rank.compute)
        return { [self] in
            try steps.advance(rank.index, to: .idle)
            try device.launch(
                shared == nil ? kernels.combineReceive : kernels.combineReceiveShared,
                blocks: configuration.multiprocessors,
                arguments: [
                    .address(rank.window.address), .address(rank.tokenCount.address), .address(rank.experts.address),
                    .address(rank.weights.address), .address((shared ?? rank.output).address),
                    .address(rank.output.address), .address(rank.combineStep.address),
                    .address(rank.faultRecord.address), .uint64(waitNanoseconds),
                ], dependentLaunch: false, on: rank.compute)
        }
    }

    private func validate(_ overlap: CombineOverlap) throws {
        guard overlap.blockM == configuration.blockM else { throw GroupError.blockHeight(overlap.blockM) }
        guard (1..<configuration.multiprocessors).contains(overlap.multiprocessors) else {
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
        for rank in ranks {
            try device.synchronize(rank.compute)
            try device.synchronize(rank.communication)
        }
        let faults = try ranks.compactMap { rank in
            WaitFault(
                record: try device.read(UInt64.self, count: WaitFault.words, from: rank.faultRecord),
                rank: rank.index)
        }
        // A rank whose send is stuck makes others wait: the earliest kernel of the step is the cause.
        let first = faults.min { ($0.kernel.rawValue, $0.time) < ($1.kernel.rawValue, $1.time) }
        if let first {
            steps.fail()
            throw GroupError.waitTimedOut(first, seconds: configuration.waitLimit, others: faults.count - 1)
        }
    }

    /// How the combine sends' polls went, summed over the ranks since the last call.
    public struct PollStatistics: Hashable, Sendable {
        /// Polls that found their block not complete.
        public var notReady: Int
        /// Rows that were waited for.
        public var waits: Int
    }

    /// Reads the statistics and starts them anew.
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
