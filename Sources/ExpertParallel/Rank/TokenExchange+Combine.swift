import Accelerator
import ExpertKernels
import KernelLanguage

extension TokenExchange {
    /// Which rows a combine discards when it has read them, so that the L2 need not write them to memory.
    struct Discards {
        /// The experts' rows.
        let sent: Bool
        /// The rows that have come home.
        let combined: Bool
    }

    /// The signals that a combine send polls, and the multiprocessors that it has beside the GEMM.
    struct SendOverlap {
        let signals: UInt64
        let threshold: Int
        let multiprocessors: Int
    }

    /// Sends rows home; see `ExpertRank.combine`.
    ///
    /// - Parameter rows: BF16 `[rankExperts, maxRows, hidden]`.
    func combine(
        _ rows: DeviceArray<BFloat16>, overlap: CombineOverlap? = nil, on stream: DeviceStream? = nil,
        multiprocessors: Int? = nil, discarding discards: Discards
    ) throws -> ExpertRank.ReceiveHook {
        if let overlap { try overlap.validate(configuration) }
        let own = overlap?.multiprocessors ?? 0
        let isBeside = own > 0
        let target = stream ?? (isBeside ? streams.communication : streams.compute)
        let isOnCompute = target.handle == streams.compute.handle
        if isBeside, isOnCompute { throw GroupError.overlapOnComputeStream(rank: rank) }
        // If it started before the producer, it would hold all multiprocessors that the producer needs.
        if overlap != nil, !isBeside, !isOnCompute {
            throw GroupError.splitImpossible(communication: 0, perRank: configuration.multiprocessors)
        }
        try combineSend(
            rows.buffer.address,
            overlap: overlap.map {
                SendOverlap(signals: $0.signals.address, threshold: $0.threshold, multiprocessors: $0.multiprocessors)
            },
            blocks: isBeside ? own : min(multiprocessors ?? .max, configuration.multiprocessors), on: target,
            discards: discards.sent, dependent: !isBeside && stream == nil)
        return { [self] in try combineReceive(discards: discards.combined, dependent: !isBeside) }
    }

    /// Enqueues the send of a combine.
    ///
    /// - Parameter rows: Address of BF16 `[rankExperts, maxRows, hidden]`.
    func combineSend(
        _ rows: UInt64, overlap: SendOverlap?, blocks: Int, on stream: DeviceStream, discards: Bool, dependent: Bool
    ) throws {
        let (polled, threshold) = (overlap?.signals ?? signals.buffer.address, overlap?.threshold ?? 0)
        try enqueue(
            Launch(
                kernel: overlap == nil ? kernels.combineSend : kernels.combineSendOverlapped, phase: .combined,
                traced: .combineSend, blocks: blocks, stream: stream, dependent: dependent),
            [
                CombineSendParameters(
                    rows: MemoryParameter(address: rows), counts: receivedCount.parameter, ranks: ranks,
                    signals: MemoryParameter(address: polled), threshold: threshold,
                    statistics: records.statistics.parameter, discards: discards, step: step.parameter,
                    watchdog: records.watchdog), links,
            ] + reach,
            changing: [
                ("rows", .address(rows)), ("signals", .address(polled)), ("threshold", .uint32(UInt32(threshold))),
                ("discards", .uint32(discards ? 1 : 0)),
            ])
    }

    /// Enqueues the receive of rows that the kernel before, a GEMM, sends home itself.
    func combineFromKernel(discards: Bool) throws {
        try steps.advance(to: .combined)
        try combineReceive(discards: discards, dependent: true)
    }

    /// Enqueues the receive of a combine.
    ///
    /// - Parameters:
    ///   - waits: For an engine's call: address of Int64 `[ranks]` to which waits are added, 0 for none; nil for a
    ///     layer.
    ///   - stream: A stream of the caller's; the compute stream when nil.
    func combineReceive(
        discards: Bool, waits: UInt64? = nil, dependent: Bool, on stream: DeviceStream? = nil
    ) throws {
        try enqueue(
            Launch(
                kernel: kernels.combineReceive, phase: .idle, traced: .combineReceive,
                blocks: min(configuration.shape.maxTokens, configuration.multiprocessors),
                stream: stream ?? streams.compute, dependent: dependent),
            [
                CombineReceiveParameters(
                    home: arriving, tokenCount: MemoryParameter(address: tokens.count),
                    experts: MemoryParameter(address: tokens.experts),
                    weights: MemoryParameter(address: tokens.weights), output: MemoryParameter(address: tokens.output),
                    discards: discards, watchdog: records.watchdog)
            ] + reach + [
                tokens.sharedWeights.map { SharedWeightsParameters(sharedWeights: MemoryParameter(address: $0)) },
                waits.map { _ in WaitTotalsParameters(waits: nil) },
            ],
            changing: (waits.map { [("waits", .address($0))] } ?? [])
                + (tokens.sharedWeights.map { [("sharedWeights", .address($0))] } ?? [])
                + [
                    ("tokenCount", .address(tokens.count)), ("experts", .address(tokens.experts)),
                    ("weights", .address(tokens.weights)), ("output", .address(tokens.output)),
                    ("discards", .uint32(discards ? 1 : 0)),
                ])
    }
}
