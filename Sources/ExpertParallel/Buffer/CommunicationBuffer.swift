import Accelerator
import ExpertKernels
import KernelLanguage
import Transport

/// Dispatch and combine on one rank for an engine with kernels of its own: every call says where tensors are and on
/// which stream it works. Nothing is copied for it, and calls that enqueue neither allocate nor wait.
///
/// A dispatch leaves the received rows in one of two places in the buffer's memory, taken in turns: they stay until the
/// next dispatch but one. Each dispatch is named by its turn. It may be followed by none, one or several combines;
/// where it is not exactly one, a repeated combine, or the next dispatch to the same place, first enqueues a barrier of
/// all ranks.
///
/// All ranks of the group make the same calls in the same order. A buffer is used from one thread at a time.
public final class CommunicationBuffer {
    /// The device of the rank.
    public let device: any Device
    /// Shape, format and limits.
    public let configuration: GroupConfiguration
    /// How the rank finds the others.
    public let transport: any Transport

    let state: RankState
    let counts: TokenCountTable
    /// For work that belongs on no caller's stream.
    let stream: DeviceStream
    /// Number of resets.
    private var resets: UInt64 = 0
    /// The next dispatch's turn.
    var dispatches: UInt64 = 0
    /// The last dispatch of each place.
    var latest: [UInt64?]
    /// BF16 `[localExperts, maxRows, hidden]` of each place, once it has been asked for.
    private var expertOutputs: [DeviceArray<BFloat16>?]

    /// Places that dispatches take in turns.
    static let places = 2

    /// Allocates the rank's memory, prepares its kernels and offers its windows to the others. `connect` comes next,
    /// when all ranks have been made.
    ///
    /// - Throws: `GroupError` when the configuration could not be resident, fits no kernel or is for another number of
    ///   ranks; `ShapeError` for a hidden size that is no multiple of 128; `DeviceError` when memory runs out;
    ///   `TransportError`.
    public init(device: any Device, configuration: GroupConfiguration, transport: any Transport) throws {
        try configuration.validate(on: device.properties)
        let (rank, shape) = (transport.rank, configuration.shape)
        guard transport.ranks == shape.ranks else {
            throw GroupError.rankCount(transport: transport.ranks, shape: shape.ranks)
        }
        try Self.require(configuration)
        try Self.require(shape)
        guard shape.sharedExperts == 0 else { throw GroupError.sharedExpertsInBuffer(shape.sharedExperts) }
        (self.device, self.configuration, self.transport) = (device, configuration, transport)
        let stream = try device.makeStream(label: "buffer of rank \(rank)", rank: rank)
        self.stream = stream
        let records = try RankRecords(device, configuration, rank: rank)
        counts = try TokenCountTable(device, shape, rank: rank)
        let unset = TokenAddresses(count: 0, input: 0, experts: 0, weights: 0, output: 0)
        let exchanges = try (0..<Self.places).map {
            try TokenExchange(
                device, configuration, transport, .turn($0), tokens: unset, records: records,
                streams: .init(compute: stream, communication: stream))
        }
        state = RankState(device, configuration, transport, records: records, exchanges: exchanges)
        latest = exchanges.map { _ in nil }
        expertOutputs = exchanges.map { _ in nil }
        try state.prepareToLook()
        try state.offer(clearingOn: stream)
    }

    /// Throws `GroupError.networkInBuffer` for a configuration with a network.
    package static func require(_ configuration: GroupConfiguration) throws(GroupError) {
        guard configuration.network == nil else { throw .networkInBuffer }
    }

    /// Throws `ShapeError` for a hidden size that is no multiple of 128: an engine's kernels take rows as wide as its
    /// tokens.
    package static func require(_ shape: LayerShape) throws(ShapeError) {
        try ScaleGroup.require("hidden", shape.hidden, upTo: LayerShape.mostHidden)
    }

    /// Finds the other ranks' windows. Called once, when every rank of the group has been or is being made.
    ///
    /// - Parameter seconds: How long to wait for the others.
    /// - Throws: `TransportError.missingRanks` when the time is over.
    public func connect(within seconds: Double = 60) throws { try state.connect(without: [], within: seconds) }

    /// The number of the rank.
    public var index: Int { transport.rank }

    /// Bytes of device memory that a buffer of this configuration takes, without those of `expertOutput`.
    public static func bytes(_ configuration: GroupConfiguration) -> Int {
        let shape = configuration.shape
        return places
            * (configuration.window.bytes + shape.rankExperts * (4 + 8 * shape.ranks) + 8 * configuration.signalCount)
            + TokenCountTable.bytes(maxTokens: shape.maxTokens)
    }

    // MARK: What has been received

    /// The memory that a dispatch receives into.
    public struct Received: Sendable {
        /// Packed rows of all local experts, by source rank and then by token: FP8 or BF16 `[localExperts, maxRows,
        /// hidden]`.
        public let rows: DeviceBuffer
        /// Float32 `[localExperts, hidden / 128, scaleRows]`; FP8 only.
        public let rowScales: DeviceBuffer
        /// Int32 `[localExperts]`.
        public let receivedCount: DeviceBuffer
        /// Int64 `[localExperts, maxRows]`: source token in the low 32 bits, source rank in the high ones.
        public let sourceInfo: DeviceBuffer
        /// Int64 `[localExperts, ranks]`: count in the low 32 bits, first row in the high ones.
        public let layoutRange: DeviceBuffer
    }

    /// The memory that dispatch `turn` and every second one after it receive into.
    public func received(_ turn: UInt64) -> Received {
        let exchange = state.exchanges[place(turn)]
        return Received(
            rows: exchange.rows.buffer, rowScales: exchange.rowScales.buffer,
            receivedCount: exchange.receivedCount.buffer, sourceInfo: exchange.sourceInfo.buffer,
            layoutRange: exchange.layoutRange.buffer)
    }

    /// Memory for rows that are to be combined for `turn`, BF16 `[localExperts, maxRows, hidden]`; allocated when it is
    /// asked for first.
    ///
    /// - Throws: `DeviceError` when memory runs out.
    public func expertOutput(_ turn: UInt64) throws -> DeviceBuffer {
        let place = place(turn)
        if let known = expertOutputs[place] { return known.buffer }
        let shape = configuration.shape
        let memory = try device.allocate(
            BFloat16.self, count: shape.localExperts * shape.maxRows * shape.hidden,
            label: "expert output of \(state.exchanges[place].label)")
        expertOutputs[place] = memory
        return memory.buffer
    }

    func place(_ turn: UInt64) -> Int { Int(turn % UInt64(Self.places)) }

    // MARK: Completion

    /// Waits for all work of the device.
    ///
    /// - Throws: `GroupError.waitTimedOut` when a kernel gave up waiting; all ranks must then be reset.
    public func synchronize() throws {
        try state.failing { try device.synchronize() }
        try require(noFault: state.fault())
    }

    /// Checks without waiting whether a kernel's wait has timed out; a failure shows a fraction of a second late.
    ///
    /// - Throws: `GroupError.waitTimedOut`; `.needsReset` after a failure that has been seen.
    public func poll() throws {
        if state.hasFailed { throw GroupError.needsReset }
        if try state.seesFault() { try synchronize() }
    }

    private func require(noFault fault: WaitFault?) throws {
        if let fault { throw GroupError.waitTimedOut(fault, seconds: configuration.waitLimit, others: []) }
    }

    /// Resets the buffer after a failure to its state before the first dispatch. All ranks do so together.
    ///
    /// - Parameter seconds: How long to wait for the others.
    /// - Throws: `TransportError.missingRanks` when the time is over.
    public func reset(within seconds: Double = 60) throws {
        try state.reset(within: seconds, clearingOn: stream)
        latest = latest.map { _ in nil }
        // Ranks may have come to different turns, and would wait for each other in different places. No turn is given
        // twice.
        resets += 1
        dispatches = resets << 32
    }

    // MARK: Masks

    /// The ranks that this one goes on without; see ``ExpertRank/maskedRanks()``.
    ///
    /// - Throws: `GroupError.noMasks` unless the group masks ranks; `DeviceError`.
    public func maskedRanks() throws -> [MaskedRank] { try state.maskedRanks() }

    /// Masks `rank`, or unmasks it when all ranks are between two steps. This rank may have no work running. See
    /// ``ExpertRank/mask(_:)`` and ``ExpertRank/unmask(_:)``.
    ///
    /// - Throws: `GroupError.noMasks`; `GroupError.notAPeer` for the rank itself and for a number that no rank has.
    public func setMask(of rank: Int, _ masked: Bool) throws {
        if masked { try state.mask(rank) } else { try state.unmask(rank) }
    }
}
