import Accelerator
import ExpertKernels
import KernelLanguage

extension TokenExchange {
    /// Sends the tokens to their experts' ranks; returns the hook that enqueues the receive.
    func dispatch() throws -> ExpertRank.ReceiveHook {
        try dispatchSend()
        return { [self] in try receive(kernels.dispatchReceive) }
    }

    /// Tells how many rows the rank sends, and sends none.
    func dispatchNothing() throws { try dispatchSend(blocks: 1) }

    /// A whole step that is nothing but a dispatch.
    func dispatchOnly() throws {
        _ = try dispatch()
        try receive(kernels.dispatchReceiveOnly)
        try steps.advance(to: .combined)
        try steps.advance(to: .idle)
    }

    /// Leaves the receive of a dispatch to the kernel that comes next on the compute stream; with masks, enqueues what
    /// puts rows in their places beside it.
    func receiveInKernel() throws {
        guard let unpack = kernels.dispatchUnpackBeside else { return try steps.advance(to: .received) }
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
                    watchdog: records.watchdog), links, records.masks?.parameters,
            ],
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
                arriving: arriving), records.masks?.parameters,
        ]
    }

    /// Enqueues the receive of a dispatch by a kernel of its own.
    ///
    /// - Parameter stream: A stream of the caller's; the compute stream when nil.
    func receive(_ kernel: LoadedKernel, on stream: DeviceStream? = nil) throws {
        let masks = records.masks != nil
        try enqueue(
            Launch(
                kernel: kernel, phase: .received, traced: .dispatchReceive,
                blocks: masks
                    ? unpackingBlocks : min((configuration.shape.rankExperts + 15) / 16, configuration.multiprocessors),
                stream: stream ?? streams.compute, dependent: stream == nil),
            masks
                ? unpackParameters
                : [
                    DispatchReceiveParameters(
                        counts: receivedCount.parameter, watchdog: records.watchdog, arriving: arriving)
                ])
    }
}
