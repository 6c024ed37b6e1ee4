import Accelerator
import ExpertKernels
import KernelLanguage

extension CommunicationBuffer {
    /// How a combine send runs beside the GEMM that produces its rows; see ``CombineOverlap``.
    public struct Overlap: Hashable, Sendable {
        /// Address of UInt32 `[localExperts, ceil(maxRows / blockM)]`, zero before the producer starts.
        public var signals: UInt64
        /// Rows per signal; must be the configuration's.
        public var blockM: Int
        /// The signal's value at which a block is complete.
        public var threshold: Int
        /// Multiprocessors that the send has to itself beside the producer: at least 1, fewer than the rank's.
        public var multiprocessors: Int

        /// An overlap as given.
        public init(signals: UInt64, blockM: Int, threshold: Int, multiprocessors: Int) {
            self.signals = signals
            self.blockM = blockM
            self.threshold = threshold
            self.multiprocessors = multiprocessors
        }

        func validate(_ configuration: GroupConfiguration) throws(GroupError) {
            guard blockM == configuration.blockM else {
                throw .otherBlockHeight(given: blockM, made: configuration.blockM)
            }
            guard (1...Int(UInt32.max)).contains(threshold) else { throw .threshold(threshold) }
            try requireAddress("the signals", signals, 4)
            guard (1..<configuration.multiprocessors).contains(multiprocessors) else {
                throw .splitImpossible(communication: multiprocessors, perRank: configuration.multiprocessors)
            }
        }
    }

    // MARK: Dispatch

    /// Sends tokens to their experts' ranks.
    ///
    /// - Parameters:
    ///   - tokens: Number of tokens, 0 to `maxTokens`.
    ///   - hiddenStates: Address of BF16 `[tokens, hidden]`, a multiple of 16.
    ///   - experts: Address of Int64 `[tokens, topK]`: an expert of the layer, or anything else for none. No token may
    ///     name an expert twice.
    ///   - stream: Where the send is enqueued.
    /// - Returns: The dispatch's turn.
    /// - Throws: `GroupError.tooManyTokens`, `.missingOperand`, `.misaligned`, and `.needsReset` after a failure;
    ///   nothing is enqueued then.
    public func dispatchSend(
        tokens: Int, hiddenStates: UInt64, experts: UInt64, on stream: DeviceStream
    ) throws -> UInt64 {
        let count = try counts.address(of: tokens)
        if tokens > 0 {
            try requireAddress("the hidden states", hiddenStates, 16)
            try requireAddress("the top-k indices", experts, 8)
        }
        let turn = dispatches
        let exchange = state.exchanges[place(turn)]
        // Other ranks may still work on this place's last dispatch, which was never combined.
        if !exchange.steps.isIdle { try exchange.barrier(on: stream) }
        exchange.tokens.count = count
        exchange.tokens.input = hiddenStates
        exchange.tokens.experts = experts
        try exchange.dispatchSend(on: stream)
        latest[place(turn)] = turn
        dispatches += 1
        return turn
    }

    /// Enqueues the wait for all rows of a dispatch.
    ///
    /// - Parameters:
    ///   - turn: The turn that `dispatchSend` returned.
    ///   - totals: Address of Int32 `[localExperts]`, to which the rows received are added; nil for none.
    ///   - waits: Address of Int64 `[ranks]`, to which the nanoseconds waited for each rank are added; nil for none.
    ///   - stream: Where the wait is enqueued.
    /// - Throws: `GroupError.superseded`, `.outOfOrder`, `.misaligned`.
    public func dispatchReceive(
        _ turn: UInt64, totals: UInt64? = nil, waits: UInt64? = nil, on stream: DeviceStream
    ) throws {
        try requireAligned("the received totals", totals ?? 0, 4)
        try requireAligned("the waits", waits ?? 0, 8)
        let exchange = try exchange(of: turn)
        try exchange.receive(
            exchange.kernels.dispatchReceive, totals: .init(rows: totals ?? 0, waits: waits ?? 0), on: stream)
    }

    // MARK: Combine

    /// Sends rows home.
    ///
    /// - Parameters:
    ///   - turn: The dispatch that brought the rows.
    ///   - rows: Address of BF16 `[localExperts, maxRows, hidden]`, a multiple of 16. Those beyond an expert's count
    ///     are not read.
    ///   - overlap: The producer that the send runs beside; nil if all rows are there when the stream gets here.
    ///   - stream: Where the send is enqueued.
    /// - Throws: `GroupError.superseded`, `.outOfOrder`, `.missingOperand`, `.misaligned`, and for an overlap that does
    ///   not fit the buffer's configuration.
    public func combineSend(
        _ turn: UInt64, rows: UInt64, overlap: Overlap? = nil, on stream: DeviceStream
    ) throws {
        try requireAddress("the rows", rows, 16)
        try overlap?.validate(configuration)
        let exchange = try exchange(of: turn)
        // Rows of the combine before may not have been added up everywhere.
        if exchange.steps.isIdle {
            try exchange.barrier(on: stream)
            try exchange.steps.repeatCombine()
        }
        try exchange.combineSend(
            rows,
            overlap: overlap.map {
                .init(signals: $0.signals, threshold: $0.threshold, multiprocessors: $0.multiprocessors)
            },
            blocks: overlap?.multiprocessors ?? configuration.multiprocessors, on: stream, discards: false,
            dependent: false)
    }

    /// Enqueues the weighted sum of the rows that come home, in Float32 and in the order of each token's choices.
    ///
    /// - Parameters:
    ///   - turn: The dispatch whose rows come home.
    ///   - tokens: As many as in the dispatch.
    ///   - experts: As in the dispatch.
    ///   - weights: Address of Float32 `[tokens, topK]`.
    ///   - output: Address of BF16 `[tokens, hidden]`, a multiple of 16.
    ///   - waits: As for `dispatchReceive`.
    ///   - stream: Where the receive is enqueued.
    /// - Throws: `GroupError.superseded`, `.outOfOrder`, `.misaligned`.
    public func combineReceive(
        _ turn: UInt64, tokens: Int, experts: UInt64, weights: UInt64, output: UInt64, waits: UInt64? = nil,
        on stream: DeviceStream
    ) throws {
        let count = try counts.address(of: tokens)
        if tokens > 0 {
            try requireAddress("the top-k indices", experts, 8)
            try requireAddress("the top-k weights", weights, 4)
            try requireAddress("the output", output, 16)
        }
        try requireAligned("the waits", waits ?? 0, 8)
        let exchange = try exchange(of: turn)
        exchange.tokens = TokenAddresses(
            count: count, input: exchange.tokens.input, experts: experts, weights: weights, output: output)
        try exchange.combineReceive(discards: false, waits: waits ?? 0, dependent: false, on: stream)
    }

    // MARK: All ranks

    /// Enqueues a barrier of all ranks: it ends when every rank's stream has come to it.
    ///
    /// - Throws: `GroupError.needsReset` after a failure.
    public func barrier(on stream: DeviceStream) throws {
        for (place, exchange) in state.exchanges.enumerated() {
            try exchange.barrier(on: stream)
            latest[place] = nil
        }
    }

    /// Enqueues a kernel that writes which ranks are masked: Int32 `[ranks]` at `status`, 1 for each masked one.
    ///
    /// - Throws: `GroupError.noMasks`, `.misaligned`.
    public func noteMasks(at status: UInt64, on stream: DeviceStream) throws {
        try requireAligned("the status of masks", status, 4)
        try state.noteMasks(at: status, on: stream)
    }

    /// The exchange of a dispatch whose rows have not been overwritten.
    private func exchange(of turn: UInt64) throws(GroupError) -> TokenExchange {
        let place = place(turn)
        guard latest[place] == turn else { throw .superseded(turn: turn, latest: latest[place]) }
        return state.exchanges[place]
    }
}

/// Throws `GroupError.missingOperand` for 0, and `.misaligned` unless `address` is a multiple of `alignment`.
func requireAddress(_ name: String, _ address: UInt64, _ alignment: UInt64) throws(GroupError) {
    if address == 0 { throw .missingOperand(name) }
    try requireAligned(name, address, alignment)
}

/// Throws `GroupError.misaligned` unless `address` is a multiple of `alignment`.
func requireAligned(_ name: String, _ address: UInt64, _ alignment: UInt64) throws(GroupError) {
    guard address % alignment == 0 else { throw .misaligned(name, address: address, alignment: Int(alignment)) }
}
