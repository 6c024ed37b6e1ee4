import Accelerator
import ExpertKernels
import KernelLanguage

extension TokenExchange {
    /// Sends the tokens to their experts' ranks; returns the hook that enqueues the receive.
    func dispatch() throws -> ExpertRank.ReceiveHook {
        try dispatchSend()
        return { [self] in try receive(kernels.dispatchReceive) }
    }

    /// Sends the row counts of a dispatch but no rows.
    func dispatchNothing() throws { try dispatchSend(blocks: 1) }

    /// A whole step that is nothing but a dispatch, of a layer's rank.
    func dispatchOnly() throws {
        _ = try dispatch()
        guard let kernel = kernels.forLayers?.dispatchReceiveOnly else { preconditionFailure("the rank has layers") }
        try receive(kernel)
        try steps.advance(to: .combined)
        try steps.advance(to: .idle)
    }

    /// Leaves the receive of a dispatch to the kernel that comes next on the compute stream; with masks, enqueues the
    /// kernel that unpacks rows beside it.
    func receiveInKernel() throws {
        guard let unpack = kernels.forLayers?.dispatchUnpackBeside else { return try steps.advance(to: .received) }
        try receive(unpack, blocks: configuration.unpackBlocks)
    }

    /// Enqueues the send of a dispatch.
    ///
    /// - Parameters:
    ///   - blocks: One for the counts, the others take a token each; nil for as many as there may be tokens.
    ///   - stream: A stream of the caller's; the compute stream when nil.
    func dispatchSend(blocks: Int? = nil, on stream: DeviceStream? = nil) throws {
        try enqueue(
            Launch(
                kernel: kernels.dispatchSend, phase: .dispatched, traced: .dispatchSend,
                blocks: blocks ?? min(configuration.shape.maxTokens + 1, configuration.multiprocessors),
                stream: stream ?? streams.compute, dependent: stream == nil),
            [
                DispatchSendParameters(
                    tokenCount: MemoryParameter(address: tokens.count), input: MemoryParameter(address: tokens.input),
                    experts: MemoryParameter(address: tokens.experts), ranks: ranks, step: step.parameter,
                    counts: receivedCount.parameter, layoutRange: layoutRange.parameter, signals: signals.parameter,
                    watchdog: records.watchdog), links,
            ] + reach,
            changing: [
                ("tokenCount", .address(tokens.count)), ("input", .address(tokens.input)),
                ("experts", .address(tokens.experts)),
            ])
    }

    private func receive(_ kernel: LoadedKernel, blocks: Int) throws {
        try enqueue(
            Launch(
                kernel: kernel, phase: .received, traced: .dispatchReceive, blocks: blocks, stream: streams.compute),
            unpackParameters)
    }

    private var unpackParameters: [(any KernelParameters)?] {
        [
            DispatchUnpackParameters(
                counts: receivedCount.parameter, layoutRange: layoutRange.parameter, watchdog: records.watchdog,
                arriving: arriving)
        ] + reach
    }

    /// Enqueues the receive of a dispatch by a kernel of its own.
    ///
    /// - Parameters:
    ///   - totals: For an engine's call: addresses of its totals; nil for a layer.
    ///   - stream: A stream of the caller's; the compute stream when nil.
    func receive(_ kernel: LoadedKernel, totals: Totals? = nil, on stream: DeviceStream? = nil) throws {
        let masks = records.masks != nil
        try enqueue(
            Launch(
                kernel: kernel, phase: .received, traced: .dispatchReceive,
                blocks: masks
                    ? unpackingBlocks : min((configuration.shape.rankExperts + 15) / 16, configuration.multiprocessors),
                stream: stream ?? streams.compute, dependent: stream == nil),
            (masks
                ? unpackParameters
                : [
                    DispatchReceiveParameters(
                        counts: receivedCount.parameter, watchdog: records.watchdog, arriving: arriving)
                ]) + [totals.map { _ in DispatchTotalsParameters(totals: nil, waits: nil) }],
            changing: totals.map { [("totals", .address($0.rows)), ("waits", .address($0.waits))] } ?? [])
    }

    /// Addresses of an engine's totals of rows received and time waited; 0 for none.
    struct Totals {
        /// Int32 `[localExperts]`.
        let rows: UInt64
        /// Int64 `[ranks]`.
        let waits: UInt64
    }

    /// Enqueues a barrier of all ranks, which ends the step, in whatever phase it is.
    func barrier(on stream: DeviceStream) throws {
        guard let kernel = kernels.rankBarrier else { preconditionFailure("the exchange is one of calls") }
        try steps.endByBarrier()
        try enqueue(
            Launch(kernel: kernel, phase: nil, traced: .rankBarrier, blocks: 1, stream: stream, dependent: false),
            [
                RankBarrierParameters(ranks: ranks, step: step.parameter, watchdog: records.watchdog)
            ] + reach)
    }
}
