import Accelerator
import ExpertKernels
import KernelLanguage
import Transport

/// One rank of an expert-parallel group: its device memory, its streams, and the order of its steps. It reaches the
/// others through its transport, and knows nothing else of them.
///
/// A step is: `dispatch`, the receive hook that it returns, the experts, and `combine` with its hook. All calls only
/// enqueue work on the rank's streams; `synchronize` waits for it and reports failed waits. All ranks of a group make
/// the same calls.
///
/// Memory between ranks is written with release and read with acquire at system scope. A rank is used from one thread
/// at a time.
public final class ExpertRank {
    /// The device that the rank runs on.
    public let device: any Device
    /// Shape and split.
    public let configuration: GroupConfiguration
    /// How it finds the others.
    public let transport: any Transport
    /// Dispatch, GEMMs and combine receive run here.
    public let compute: DeviceStream
    /// In overlapped phases: the combine send, and the communication of half batches.
    public let communication: DeviceStream

    private var tokens: TokenMemory
    /// For steps of callers that know their number of tokens on the host.
    let counts: TokenCountTable
    let state: RankState
    /// Dispatch and combine of the whole batch.
    let whole: TokenExchange
    /// Memory of its experts.
    let wholeMemory: ExpertMemory
    /// Those of the two halves of the batch; empty without `twoBatch`.
    let halves: [TokenExchange]
    let halfMemories: [ExpertMemory]

    /// Allocates the rank's memory, prepares its communication kernels and offers its windows to the others. `connect`
    /// comes next, when all ranks have been made.
    ///
    /// - Parameters:
    ///   - device: Where the rank lives.
    ///   - configuration: The same for all ranks of the group.
    ///   - transport: How the rank reaches the others.
    ///   - compute: A stream of the caller's for dispatch, GEMMs and combine receive; one of the rank's own when nil.
    ///   - communication: A stream for the communication that runs beside them; one of the rank's own when nil.
    /// - Throws: `GroupError` when the configuration could not be resident, fits no kernel or is for another number of
    ///   ranks; `DeviceError` when memory runs out; `TransportError`.
    public init(
        device: any Device, configuration: GroupConfiguration, transport: any Transport,
        compute: DeviceStream? = nil, communication: DeviceStream? = nil
    ) throws {
        try configuration.validate(on: device.properties)
        guard transport.ranks == configuration.shape.ranks else {
            throw GroupError.rankCount(transport: transport.ranks, shape: configuration.shape.ranks)
        }
        if device.properties.kind == .cuda, configuration.network?.adapter == .engine,
            transport.networkContext == nil
        {
            throw GroupError.noNetworkEngine
        }
        if configuration.network?.model != nil,
            let peer = (0..<transport.ranks).first(where: { transport.reach(of: $0) != .sameDevice })
        {
            throw GroupError.modelAcrossGPUs(rank: transport.rank, peer: peer)
        }
        if configuration.onFailure == .mask { try transport.requireMasks() }
        self.device = device
        self.configuration = configuration
        self.transport = transport
        let (rank, shape) = (transport.rank, configuration.shape)
        let compute = try compute ?? device.makeStream(label: "rank \(rank) compute", rank: rank)
        let communication =
            try communication ?? device.makeStream(label: "rank \(rank) communication", rank: rank)
        (self.compute, self.communication) = (compute, communication)
        let tokens = try TokenMemory(device, configuration, label: "rank \(rank)")
        let records = try RankRecords(device, configuration, rank: rank)
        self.tokens = tokens
        counts = try TokenCountTable(device, shape, rank: rank)
        let addresses = tokens.addresses
        let whole = try TokenExchange(
            device, configuration, transport, .whole, tokens: addresses, records: records,
            streams: .init(compute: compute, communication: communication))
        self.whole = whole
        wholeMemory = try ExpertMemory(device, configuration, transport, records, label: whole.label)
        let half = try configuration.twoBatch ? configuration.half() : nil
        let halves = try half.map { half in
            try (0..<2).map { number in
                try TokenExchange(
                    device, half, transport, .half(number), tokens: addresses.half(number, of: half.shape),
                    records: records, streams: .init(compute: communication, communication: communication))
            }
        }
        self.halves = halves ?? []
        halfMemories = try self.halves.map {
            try ExpertMemory(device, $0.configuration, transport, records, label: $0.label)
        }
        state = RankState(
            device, configuration, transport, records: records, exchanges: [whole] + self.halves,
            further: ([wholeMemory] + halfMemories).flatMap(\.state))
        try state.offer(clearingOn: compute)
    }

    /// Finds the other ranks' windows. Called once, when every rank of the group has been or is being made.
    ///
    /// - Parameters:
    ///   - missing: Ranks that have gone, in a group with `FailurePolicy.mask`: `mask(_:)` them before the first step,
    ///     and `replaceWindows(of:within:)` when they come back.
    ///   - seconds: How long to wait for the others.
    /// - Throws: `TransportError.missingRanks` when the time is over; `GroupError.noMasks` for missing ranks of a group
    ///   that does not mask.
    public func connect(without missing: Set<Int> = [], within seconds: Double = 60) throws {
        try state.connect(without: missing, within: seconds)
    }

    /// The number of the rank.
    public var index: Int { transport.rank }

    var exchanges: [TokenExchange] { state.exchanges }
    var records: RankRecords { state.records }

    // MARK: Inputs and outputs

    /// Copies the inputs of a step to the device. Nothing of the rank may be running.
    ///
    /// - Throws: `GroupError` naming the first value that is out of range; nothing is copied then.
    public func load(_ input: RankInput) throws {
        try input.validate(rank: index, configuration)
        try tokens.load(input, maxTokens: configuration.shape.maxTokens, device)
    }

    /// Steps that are enqueued or captured from now on read and write these tokens, where they are. Nothing of the rank
    /// may be running.
    ///
    /// - Throws: `GroupError.bufferTooSmall` or `.misaligned` for the first such buffer; `.sharedWeightsMissing` and
    ///   `.sharedWeightsUnread`.
    public func use(_ deviceTokens: DeviceTokens) throws {
        try requireIdle(before: "use")
        try deviceTokens.validate(rank: index, configuration)
        tokens = TokenMemory(deviceTokens)
        use(tokens.addresses)
    }

    /// The same for tokens whose memory the caller keeps alive, in steps that are enqueued from now on.
    func use(_ addresses: TokenAddresses) {
        whole.tokens = addresses
        for (number, half) in halves.enumerated() {
            half.tokens = addresses.half(number, of: half.configuration.shape)
        }
    }

    /// The combined hidden states, BF16 `[tokens, hidden]`.
    ///
    /// - Throws: `GroupError.tooManyTokens` for a count beyond `maxTokens`; `DeviceError`.
    public func output(tokens count: Int) throws -> [BFloat16] {
        let most = configuration.shape.maxTokens
        guard (0...most).contains(count) else {
            throw GroupError.tooManyTokens(rank: index, tokens: count, maxTokens: most)
        }
        return try device.read(BFloat16.self, count: count * configuration.shape.hidden, from: tokens.output)
    }

    // MARK: Dispatch and combine

    /// The rest of a phase whose send is enqueued: call it to enqueue the receive. Between send and receive nothing of
    /// the phase occupies a multiprocessor.
    public typealias ReceiveHook = () throws -> Void

    /// Sends the rank's tokens to their experts' ranks.
    ///
    /// - Returns: The hook that enqueues the receive, after which `rows`, `rowScales`, `receivedCount`, `sourceInfo`
    ///   and `layoutRange` hold what arrived.
    /// - Throws: `GroupError.needsReset`, `.outOfOrder`, `.notConnected`; `DeviceError`.
    public func dispatch() throws -> ReceiveHook { try whole.dispatch() }

    /// Sends the rows of `expertOutput` home, where the receive adds them up into the output.
    ///
    /// - Parameters:
    ///   - overlap: Poll signals and send each block when it is complete, instead of all at once.
    ///   - stream: If nil, the communication stream for an overlapped send with multiprocessors of its own, else the
    ///     compute stream.
    ///   - multiprocessors: Most that a send without overlap may use; all of the rank's when nil.
    /// - Returns: The hook that enqueues the receive on the compute stream.
    /// - Throws: `GroupError.blockHeight`, `.threshold`, `.bufferTooSmall`, `.splitImpossible` and
    ///   `.overlapOnComputeStream` for an overlap that is not possible; `.needsReset`, `.outOfOrder`, `.notConnected`;
    ///   `DeviceError`.
    public func combine(
        overlap: CombineOverlap? = nil, on stream: DeviceStream? = nil, multiprocessors: Int? = nil
    ) throws -> ReceiveHook {
        try whole.combine(
            wholeMemory.output, overlap: overlap, on: stream, multiprocessors: multiprocessors,
            discarding: .init(sent: false, combined: true))
    }

    /// Sends the row counts of a dispatch but no rows, for tests of the kernels that wait for them.
    package func dispatchNothing() throws { try whole.dispatchNothing() }

    /// A whole step that is nothing but a dispatch.
    package func dispatchOnly() throws { try whole.dispatchOnly() }

    // MARK: What dispatch and combine read and write

    /// Dispatched rows of all experts of the rank, the shared ones first, packed: FP8 or BF16 `[rankExperts, maxRows,
    /// paddedHidden]`; channels that tokens do not have are 0.
    public var rows: DeviceBuffer { whole.rows.buffer }
    /// Float32 `[rankExperts, hiddenGroups, scaleRows]`, or UInt32 `[rankExperts, hiddenGroups / 4, scaleRows]` where
    /// exponents are stored, see `ScaleFormat`; FP8 only.
    public var rowScales: DeviceBuffer { whole.rowScales.buffer }
    /// Int32 `[rankExperts]`: rows of each local expert.
    public var receivedCount: DeviceBuffer { whole.receivedCount.buffer }
    /// Int64 `[rankExperts, maxRows]`: source token in the low 32 bits, source rank in the high ones.
    public var sourceInfo: DeviceBuffer { whole.sourceInfo.buffer }
    /// Int64 `[rankExperts, ranks]`: rows of each source in the low 32 bits, the first of them in the high ones.
    public var layoutRange: DeviceBuffer { whole.layoutRange.buffer }
    /// BF16 `[rankExperts, maxRows, paddedHidden]`: the rows that the combine sends home. Undefined after a step of
    /// `MoELayer`, which discards them.
    public var expertOutput: DeviceBuffer { wholeMemory.output.buffer }
    /// UInt32 `[rankExperts, blocks]`, cleared by each dispatch send.
    public var signals: DeviceBuffer { whole.signals.buffer }
    /// Int64 `[maxTokens, topK]`: the experts of the tokens loaded last.
    package var experts: DeviceBuffer { tokens.experts }
    /// BF16 `[maxTokens, hidden]`: where the combine's receive writes.
    var combined: DeviceBuffer { tokens.output }
    /// The memory that captured steps keep alive.
    var tokenMemory: TokenMemory { tokens }

    /// Sets aside the part of the L2 that layers of all of the device's ranks together keep.
    package func keepInL2() throws -> L2Share {
        let sharing = (0..<configuration.shape.ranks).count { transport.reach(of: $0) == .sameDevice }
        return try device.keepInL2(bytes: sharing * configuration.keptBytes)
    }

    // MARK: Completion

    /// Waits for all enqueued work of the rank.
    ///
    /// - Throws: `GroupError.waitTimedOut` when a kernel gave up waiting; all ranks must then be reset.
    public func synchronize() throws {
        if let fault = try completedFault() {
            throw GroupError.waitTimedOut(fault, seconds: configuration.waitLimit, others: [])
        }
    }

    /// Allocates the memory of `poll`, for callers that may poll while a stream is being captured.
    public func prepareToPoll() throws { try state.prepareToLook() }

    /// Checks without waiting whether a kernel's wait has timed out; a failure shows a fraction of a second late.
    ///
    /// - Throws: `GroupError.waitTimedOut`; `.needsReset` after a failure that has been seen.
    public func poll() throws {
        if hasFailed { throw GroupError.needsReset }
        if try state.seesFault() { try synchronize() }
    }

    /// Waits for all enqueued work; gives the wait that failed, if one has.
    func completedFault() throws -> WaitFault? {
        try failing {
            try device.synchronize(compute)
            try device.synchronize(communication)
        }
        return try state.fault()
    }

    /// Resets the rank after a failed step to its state before the first one. All ranks do so together. Poll statistics
    /// start anew as well.
    ///
    /// - Parameter seconds: How long to wait for the others.
    /// - Throws: `TransportError.missingRanks` when the time is over.
    public func reset(within seconds: Double = 60) throws {
        try state.reset(within: seconds, clearingOn: compute)
    }

    /// Waits for the device, whether or not its work has failed.
    func stop() throws { try state.stop() }

    /// Puts all flags, counters and records into the state before the first step. Nothing may be running on any rank.
    func clear() throws { try state.clear(on: compute) }

    /// The rank may step again, when all ranks have been cleared.
    func restart() { state.restart() }

    /// Whether a step has failed.
    var hasFailed: Bool { state.hasFailed }

    /// Marks the rank's step as failed.
    func fail() { state.fail() }

    /// Marks the rank's step as failed when `body` throws.
    func failing<Result>(_ body: () throws -> Result) throws -> Result { try state.failing(body) }

    /// Refuses to go on after a failure, or in the middle of a step.
    func requireIdle(before call: String) throws(GroupError) { try state.requireIdle(before: call) }
}
