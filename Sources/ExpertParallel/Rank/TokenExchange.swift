import Accelerator
import ExpertKernels
import KernelLanguage
import Transport

/// Dispatch and combine of one batch of tokens on one rank, the rank's whole batch or a half of it: a window that other
/// ranks write to, what the experts read and write, and the kernels.
final class TokenExchange {
    /// The streams that its kernels run on.
    struct Streams {
        /// Dispatch and combine receive.
        let compute: DeviceStream
        /// A combine send beside a GEMM; the same as `compute` where all communication is on one stream.
        let communication: DeviceStream

        /// Two handles may be of one stream.
        var areTwo: Bool { compute.handle != communication.handle }
    }

    /// Lists of arguments that are kept: callers may combine with signals of their own.
    private static let keptArguments = 32

    let configuration: GroupConfiguration
    var tokens: TokenMemory { didSet { arguments = [:] } }
    let streams: Streams
    /// What other ranks write to, see `RankWindow`.
    let window: DeviceBuffer
    /// In words of 4 bytes.
    let rows: DeviceArray<UInt32>
    let rowScales: DeviceArray<Float>
    let receivedCount: DeviceArray<UInt32>
    let sourceInfo: DeviceArray<UInt64>
    let layoutRange: DeviceArray<UInt64>
    let expertOutput: DeviceArray<BFloat16>
    let signals: DeviceArray<UInt32>
    /// The same between the gate and up GEMM and the down GEMM, behind the others.
    let rowSignals: DeviceArray<UInt32>
    /// For the GEMMs: one for gate and up, and one for down, which may begin before the other has ended.
    let scratch: (gateUp: GEMMScratch, down: GEMMScratch)
    let steps = StepOrder()

    let device: any Device
    let records: RankRecords
    private let transport: any Transport
    private let name: String
    private let isHalf: Bool
    /// Whose it is, for labels of memory.
    let label: String
    private let kernels: CommunicationKernels
    /// See `StepCounter`.
    private let step: DeviceArray<UInt32>
    /// UInt64 `[ranks]`, see `PacedLink`.
    private let linkBusy: DeviceArray<UInt64>
    /// UInt64 `[ranks]`: addresses of the windows, known when the rank is connected.
    private let peers: DeviceArray<UInt64>
    /// Arguments of launches, so that steps that repeat gather none anew.
    private var arguments: [LaunchKey: [KernelArgument]] = [:]
    /// Windows of the others, which must stay where they are.
    private var peerWindows: [DeviceBuffer] = []

    /// - Parameters:
    ///   - half: Which half of the batch it is for; nil for all of it.
    ///   - streams: Where launches go. Only where both differ may a launch begin before the kernel before it has ended.
    init(
        _ device: any Device, _ configuration: GroupConfiguration, _ transport: any Transport, half: Int? = nil,
        tokens: TokenMemory, records: RankRecords, streams: Streams
    ) throws {
        let (shape, layout) = (configuration.shape, configuration.window)
        let label = "rank \(transport.rank)" + (half.map { ", half \($0)" } ?? "")
        self.label = label
        (self.device, self.configuration, self.transport) = (device, configuration, transport)
        isHalf = half != nil
        name = half.map { "window of half \($0)" } ?? "window"
        (self.tokens, self.records, self.streams) = (tokens, records, streams)
        kernels = try KernelBuilder.$isTracing.withValue(configuration.traced) {
            try CommunicationKernels(device, configuration)
        }
        let window = try transport.makeWindow(name, bytes: layout.bytes, on: device)
        self.window = window
        func part<Element>(_ region: WindowRegion<Element>, _ what: String) -> DeviceArray<Element> {
            DeviceArray(window.part("\(what) of \(label)", offset: region.offset, bytes: region.bytes))
        }
        rows = part(layout.rows, "rows")
        rowScales = part(layout.scales, "row scales")
        sourceInfo = part(layout.sourceInfo, "source info")
        receivedCount = try device.allocate(
            UInt32.self, count: shape.rankExperts, label: "received count of \(label)")
        layoutRange = try device.allocate(
            UInt64.self, count: shape.rankExperts * shape.ranks, label: "layout range of \(label)")
        expertOutput = try device.allocate(
            BFloat16.self, count: shape.rankExperts * shape.maxRows * shape.hidden, label: "expert output of \(label)")
        let count = configuration.signalCount
        let allSignals = try device.allocate(UInt32.self, count: 2 * count, label: "signals of \(label)")
        signals = allSignals.part("signals of \(label)", from: 0, count: count)
        rowSignals = allSignals.part("row signals of \(label)", from: count, count: count)
        step = try device.allocate(UInt32.self, count: 2, label: "step of \(label)")
        linkBusy = try device.allocate(UInt64.self, count: shape.ranks, label: "links of \(label)")
        peers = try device.allocate(UInt64.self, count: shape.ranks, label: "peers of \(label)")
        func scratch(_ what: String) throws -> GEMMScratch {
            try GEMMScratch(
                device, gridSize: configuration.multiprocessors, label: "\(what) of \(label)",
                faultRecord: records.fault.buffer, waitSeconds: configuration.waitLimit)
        }
        self.scratch = (try scratch("gate and up"), try scratch("down"))
    }

    /// Lets the other ranks write to the window, which is in the state before the first step.
    func offer() throws { try transport.offerWindow(name) }

    /// Finds the other ranks' windows. This rank's own stands for those of ranks that are `missing`.
    func connect(without missing: Set<Int>, within seconds: Double) throws {
        let found =
            missing.isEmpty
            ? try transport.windows(name, within: seconds)
            : try (0..<transport.ranks).map {
                missing.contains($0) ? window : try transport.window(name, of: $0, within: seconds)
            }
        for (rank, peer) in found.enumerated() where peer.bytes != window.bytes {
            throw GroupError.windowSize(rank: rank, bytes: peer.bytes, expected: window.bytes)
        }
        try device.write(found.map(\.address), to: peers.buffer)
        // A window begins with its rank's beat word.
        if let masks = records.masks, !isHalf { try device.write(found.map(\.address), to: masks.beats.buffer) }
        peerWindows = found
    }

    /// Finds the window of one rank anew.
    func replaceWindow(of peer: Int, within seconds: Double) throws {
        guard !peerWindows.isEmpty else { throw GroupError.notConnected(rank: transport.rank) }
        let found = try transport.window(name, of: peer, within: seconds)
        guard found.bytes == window.bytes else {
            throw GroupError.windowSize(rank: peer, bytes: found.bytes, expected: window.bytes)
        }
        func write(_ table: DeviceArray<UInt64>) throws {
            try device.write([found.address], to: table.part("window of rank \(peer)", from: peer, count: 1).buffer)
        }
        try write(peers)
        if let masks = records.masks, !isHalf { try write(masks.beats) }
        peerWindows[peer] = found
    }

    /// Forgets what `rank` has sent, and that it has masked this one. It may have been a step ahead when it was lost, and
    /// its words for that step must not pass for those that it sends when it comes back. Nothing may be running.
    func forget(_ rank: Int) throws {
        let (shape, layout) = (configuration.shape, configuration.window)
        func clear<Element>(_ region: WindowRegion<Element>, halves: Int) throws {
            let part = region.bytes / halves / shape.ranks
            for half in 0..<halves {
                let own = window.part(
                    "words of rank \(rank) in \(label)", offset: region.offset + (half * shape.ranks + rank) * part,
                    bytes: part)
                try device.write([UInt8](repeating: 0, count: part), to: own)
            }
        }
        try device.write(
            [UInt64(0)], to: window.part("notice of rank \(rank) to \(label)", offset: (1 + rank) * 8, bytes: 8))
        try clear(layout.rowCounts, halves: 2)
        try clear(layout.landingArrivals, halves: 2)
        try clear(layout.combineArrivals, halves: 1)
        try clear(layout.barriers, halves: 1)
    }

    /// Steps that are over.
    func completedSteps() throws -> UInt32 { try device.read(UInt32.self, count: 1, from: step.buffer)[0] }

    /// Goes on after this many steps. Nothing may be running, and all state be as before the first step.
    func adopt(completedSteps: UInt32) throws { try device.write([completedSteps, 0], to: step.buffer) }

    /// What is zero before the first step. Row scales beyond an expert's count are loaded with their block; they must
    /// hold something.
    var state: [DeviceBuffer] {
        [
            window, signals.buffer, rowSignals.buffer, step.buffer, linkBusy.buffer, scratch.gateUp.flags,
            scratch.down.flags,
        ]
    }

    // MARK: Parameters of kernels

    private var ranks: PeersParameters { PeersParameters(peers: peers.parameter, rank: transport.rank) }
    /// nil without links.
    var links: LinkParameters? { configuration.link.map { _ in LinkParameters(linkBusy: linkBusy.parameter) } }
    /// For a kernel that waits for rows itself.
    var arriving: ArrivingParameters {
        ArrivingParameters(
            window: MemoryParameter(address: window.address), rank: transport.rank, step: step.parameter)
    }
    /// For a kernel that sends rows home itself.
    var home: HomeParameters { HomeParameters(ranks: ranks, step: step.parameter) }

    // MARK: Dispatch

    /// Sends the tokens to their experts' ranks; returns the hook that enqueues the receive.
    func dispatch() throws -> ExpertRank.ReceiveHook {
        // One block for the counts, the others take a token each.
        try dispatchSend(blocks: min(configuration.shape.maxTokens + 1, configuration.multiprocessors))
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

    private func dispatchSend(blocks: Int) throws {
        try launch(
            kernels.dispatchSend, to: .dispatched, .dispatchSend, blocks: blocks, on: streams.compute,
            [
                DispatchSendParameters(
                    tokenCount: tokens.count.parameter, input: tokens.input.parameter,
                    experts: tokens.experts.parameter, ranks: ranks, step: step.parameter,
                    counts: receivedCount.parameter, layoutRange: layoutRange.parameter, signals: signals.parameter,
                    watchdog: records.watchdog), links, records.masks?.parameters,
            ])
    }

    private func receive(_ kernel: LoadedKernel, blocks: Int) throws {
        try launch(
            kernel, to: .received, .dispatchReceive, blocks: blocks, on: streams.compute,
            [
                DispatchUnpackParameters(
                    counts: receivedCount.parameter, layoutRange: layoutRange.parameter, watchdog: records.watchdog,
                    arriving: arriving), records.masks?.parameters,
            ])
    }

    private func receive(_ kernel: LoadedKernel) throws {
        // Half batches leave the other multiprocessors to the GEMMs of the other half.
        if records.masks != nil {
            return try receive(
                kernel, blocks: isHalf ? configuration.splitMultiprocessors : configuration.multiprocessors)
        }
        try launch(
            kernel, to: .received, .dispatchReceive,
            blocks: min((configuration.shape.rankExperts + 15) / 16, configuration.multiprocessors),
            on: streams.compute,
            [
                DispatchReceiveParameters(
                    counts: receivedCount.parameter, watchdog: records.watchdog, arriving: arriving)
            ])
    }

    // MARK: Combine

    /// Which rows a combine discards when it has read them, so that the L2 need not write them to memory.
    struct Discards {
        /// Those of `expertOutput`.
        let sent: Bool
        /// Those that have come home.
        let combined: Bool
    }

    /// Sends rows home; see `ExpertRank.combine`.
    func combine(
        overlap: CombineOverlap? = nil, on stream: DeviceStream? = nil, multiprocessors: Int? = nil,
        discarding discards: Discards
    ) throws -> ExpertRank.ReceiveHook {
        if let overlap { try overlap.validate(configuration) }
        let own = overlap?.multiprocessors ?? 0
        let isBeside = own > 0
        let target = stream ?? (isBeside ? streams.communication : streams.compute)
        let isOnCompute = target.handle == streams.compute.handle
        if isBeside, isOnCompute { throw GroupError.overlapOnComputeStream(rank: transport.rank) }
        // Before the producer in time, it would hold all multiprocessors that the producer needs.
        if overlap != nil, !isBeside, !isOnCompute {
            throw GroupError.splitImpossible(communication: 0, perRank: configuration.multiprocessors)
        }
        let polled = overlap?.signals.address ?? signals.buffer.address
        let threshold = overlap?.threshold ?? 0
        try launch(
            overlap == nil ? kernels.combineSend : kernels.combineSendOverlapped, to: .combined, .combineSend,
            blocks: isBeside ? own : min(multiprocessors ?? .max, configuration.multiprocessors),
            on: target,
            [
                CombineSendParameters(
                    rows: expertOutput.parameter, counts: receivedCount.parameter, ranks: ranks,
                    signals: MemoryParameter(address: polled), threshold: threshold,
                    statistics: records.statistics.parameter, discards: discards.sent, step: step.parameter,
                    watchdog: records.watchdog), links, records.masks?.parameters,
            ], varying: [discards.sent ? 1 : 0, polled, UInt64(threshold)], dependent: !isBeside && stream == nil)
        return { [self] in try combineReceive(discards: discards.combined, dependent: !isBeside) }
    }

    /// Enqueues the receive of rows that the kernel before sends home by itself.
    func combineFromKernel(discards: Bool) throws {
        try steps.advance(to: .combined)
        try combineReceive(discards: discards, dependent: true)
    }

    private func combineReceive(discards: Bool, dependent: Bool) throws {
        try launch(
            kernels.combineReceive, to: .idle, .combineReceive,
            blocks: min(configuration.shape.maxTokens, configuration.multiprocessors), on: streams.compute,
            [
                CombineReceiveParameters(
                    home: arriving, tokenCount: tokens.count.parameter, experts: tokens.experts.parameter,
                    weights: tokens.weights.parameter, output: tokens.output.parameter, discards: discards,
                    watchdog: records.watchdog), records.masks?.parameters,
            ], varying: [discards ? 1 : 0], dependent: dependent)
    }

    /// A launch whose arguments are the same as the last time.
    private struct LaunchKey: Hashable {
        let kernel: ObjectIdentifier
        let varying: [UInt64]
    }

    /// Enqueues a kernel that brings the rank to `next`. When that fails, the step cannot be finished.
    ///
    /// - Parameter varying: What may differ from launch to launch among the parameters.
    private func launch(
        _ kernel: LoadedKernel, to next: StepOrder.Phase, _ phase: StepPhase, blocks: Int, on stream: DeviceStream,
        _ parameters: @autoclosure () -> [(any KernelParameters)?], varying: [UInt64] = [], dependent: Bool = true
    ) throws {
        guard !peerWindows.isEmpty else { throw GroupError.notConnected(rank: transport.rank) }
        try steps.advance(to: next)
        do {
            let key = LaunchKey(kernel: ObjectIdentifier(kernel), varying: varying)
            let known = arguments[key]
            let ordered =
                try known
                ?? KernelArguments([records.traceParameters(phase)] + parameters()).ordered(for: kernel.kernel)
            if known == nil {
                if arguments.count >= Self.keptArguments { arguments = [:] }
                arguments[key] = ordered
            }
            try device.launch(
                kernel, blocks: blocks, arguments: ordered,
                dependentLaunch: dependent && streams.areTwo, on: stream)
        } catch {
            steps.fail()
            throw error
        }
    }
}

extension GroupConfiguration {
    /// Signals of one rank.
    var signalCount: Int { shape.rankExperts * signalBlocks(shape, blockM: blockM) }
}
