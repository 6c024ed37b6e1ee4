import Accelerator
import ExpertKernels
import ExpertParallel
import KernelLanguage

/// Ranks that share a device and whose kernels are launched one by one: for orders of kernels that `ExpertRank` does
/// not have. All memory is zero at first.
final class KernelRanks {
    /// The memory of one rank, and its stream.
    struct Member {
        let index: Int
        let stream: DeviceStream
        /// See `RankWindow`.
        let window: DeviceArray<UInt32>
        let step: DeviceArray<UInt32>
        let counts: DeviceArray<UInt32>
        let layoutRange: DeviceArray<UInt64>
        let fault: DeviceArray<UInt64>
        let masks: DeviceArray<UInt64>
        let tokenCount: DeviceArray<UInt32>
        let input: DeviceArray<BFloat16>
        let experts: DeviceArray<UInt64>
        let weights: DeviceArray<Float>
        /// BF16 `[maxTokens, hidden]`.
        let output: DeviceArray<BFloat16>
        /// BF16 `[rankExperts, maxRows, hidden]`: what a combine sends home.
        let results: DeviceArray<BFloat16>
        /// What kernels with totals add to.
        let rowTotals: DeviceArray<UInt32>
        let dispatchWaits: DeviceArray<UInt64>
        let combineWaits: DeviceArray<UInt64>

        fileprivate var all: [DeviceBuffer] {
            [
                window.buffer, step.buffer, counts.buffer, layoutRange.buffer, fault.buffer, masks.buffer,
                tokenCount.buffer, input.buffer, experts.buffer, weights.buffer, output.buffer, results.buffer,
                rowTotals.buffer, dispatchWaits.buffer, combineWaits.buffer,
            ]
        }
    }

    let device: any Device
    let layout: RankWindow
    let members: [Member]
    private let signals: DeviceArray<UInt32>
    private let statistics: DeviceArray<UInt64>
    private let linkBusy: DeviceArray<UInt64>
    /// Addresses of the windows.
    private let peers: DeviceArray<UInt64>
    private let waitLimit: Double
    /// Thread blocks of each kernel but the barrier.
    private let blocks: Int
    private var loaded: [KernelDigest: LoadedKernel] = [:]

    init(_ device: any Device, _ layout: RankWindow, blocks: Int = 2, waitLimit: Double = 10) throws {
        (self.device, self.layout, self.blocks, self.waitLimit) = (device, layout, blocks, waitLimit)
        let shape = layout.shape
        members = try (0..<shape.ranks).map { rank in
            func array<Element: Scalar>(_ type: Element.Type, _ count: Int, _ what: String) throws -> DeviceArray<
                Element
            > {
                try device.allocate(type, count: count, label: "\(what) of rank \(rank)")
            }
            return Member(
                index: rank, stream: try device.makeStream(label: "rank \(rank)", rank: rank),
                window: try array(UInt32.self, layout.bytes / 4, "window"), step: try array(UInt32.self, 2, "step"),
                counts: try array(UInt32.self, shape.rankExperts, "counts"),
                layoutRange: try array(UInt64.self, shape.rankExperts * shape.ranks, "layout range"),
                fault: try array(UInt64.self, WaitFault.words, "fault"),
                masks: try array(UInt64.self, shape.ranks * WaitFault.words, "masks"),
                tokenCount: try array(UInt32.self, 1, "token count"),
                input: try array(BFloat16.self, shape.maxTokens * shape.hidden, "input"),
                experts: try array(UInt64.self, shape.maxTokens * shape.topK, "experts"),
                weights: try array(Float.self, shape.maxTokens * shape.topK, "weights"),
                output: try array(BFloat16.self, shape.maxTokens * shape.hidden, "output"),
                results: try array(BFloat16.self, shape.rankExperts * shape.maxRows * shape.paddedHidden, "results"),
                rowTotals: try array(UInt32.self, shape.localExperts, "row totals"),
                dispatchWaits: try array(UInt64.self, shape.ranks, "dispatch waits"),
                combineWaits: try array(UInt64.self, shape.ranks, "combine waits"))
        }
        // Words that nobody reads here: all ranks may write them.
        signals = try device.allocate(UInt32.self, count: 1, label: "signals")
        statistics = try device.allocate(UInt64.self, count: 2, label: "statistics")
        linkBusy = try device.allocate(UInt64.self, count: shape.ranks * shape.ranks, label: "links")
        peers = try device.allocate(UInt64.self, count: shape.ranks, label: "peers")
        let stream = members[0].stream
        for buffer in members.flatMap(\.all) + [linkBusy.buffer] { try device.fill(buffer, with: 0, on: stream) }
        try device.synchronize(stream)
        try device.write(members.map(\.window.buffer.address), to: peers.buffer)
        if device.properties.kind == .cuda { try loadAll() }
    }

    /// Copies the tokens of all ranks to the device. Nothing may be running.
    func load(_ inputs: [RankInput]) throws {
        for (member, input) in zip(members, inputs) {
            try device.write([UInt32(input.routing.tokens)], to: member.tokenCount.buffer)
            try device.write(input.hiddenStates, to: member.input.buffer)
            try device.write(input.routing.experts, to: member.experts.buffer)
            try device.write(input.routing.weights, to: member.weights.buffer)
        }
    }

    // MARK: Kernels

    private func ranks(_ member: Member) -> PeersParameters {
        PeersParameters(peers: peers.parameter, rank: member.index)
    }

    private func arriving(_ member: Member) -> ArrivingParameters {
        ArrivingParameters(window: member.window.parameter, rank: member.index, step: member.step.parameter)
    }

    private func watchdog(_ member: Member) -> WatchdogParameters {
        WatchdogParameters(faultRecord: member.fault.parameter, seconds: waitLimit)
    }

    private func masks(_ member: Member) -> MaskParameters? {
        layout.masks
            ? MaskParameters(masks: member.masks.parameter, beats: peers.parameter, rank: member.index) : nil
    }

    private func links(_ member: Member) -> LinkParameters? {
        if layout.link == nil { return nil }
        let ranks = layout.shape.ranks
        return LinkParameters(linkBusy: linkBusy.part("links", from: member.index * ranks, count: ranks).parameter)
    }

    /// Launches a kernel on a rank's stream.
    func launch(
        _ kernel: Kernel, blocks: Int, _ member: Member, _ packs: [(any KernelParameters)?], dependent: Bool = true
    ) throws {
        try device.launch(
            load(kernel), blocks: blocks, arguments: KernelArguments(packs).ordered(for: kernel),
            dependentLaunch: dependent, on: member.stream)
    }

    private func load(_ kernel: Kernel) throws -> LoadedKernel {
        let digest = kernel.digest
        let ready = try loaded[digest] ?? device.load(kernel)
        loaded[digest] = ready
        return ready
    }

    /// Prepares all kernels: a GPU may not do so while others wait for launches that are still to come.
    private func loadAll() throws {
        for totals in [false, true] {
            for endsStep in [false, true] { _ = try load(dispatchReceiver(endsStep: endsStep, totals: totals)) }
            _ = try load(combineReceiveKernel(layout, totals: totals))
        }
        for kernel in try [dispatchSender(), combineSender(), rankBarrierKernel(layout), delayKernel()] {
            _ = try load(kernel)
        }
    }

    private func dispatchSender() throws -> Kernel { try dispatchSendKernel(layout, signalCount: 0) }

    private func dispatchReceiver(endsStep: Bool, totals: Bool) throws -> Kernel {
        try layout.masks
            ? dispatchUnpackKernel(layout, before: endsStep ? .nothing : .kernel, totals: totals)
            : dispatchReceiveKernel(layout, endsStep: endsStep, totals: totals)
    }

    private func combineSender() throws -> Kernel {
        try combineSendKernel(CombineConfiguration(window: layout, blockM: 16, signals: false))
    }

    /// Enqueues a dispatch send.
    ///
    /// - Parameter sendsRows: Whether it sends the rows that it announces.
    func dispatchSend(_ member: Member, sendsRows: Bool = true) throws {
        try launch(
            dispatchSender(), blocks: sendsRows ? max(2, blocks) : 1, member,
            [
                DispatchSendParameters(
                    tokenCount: member.tokenCount.parameter, input: member.input.parameter,
                    experts: member.experts.parameter, ranks: ranks(member), step: member.step.parameter,
                    counts: member.counts.parameter, layoutRange: member.layoutRange.parameter,
                    signals: signals.parameter, watchdog: watchdog(member)), links(member), masks(member),
            ])
    }

    /// Enqueues a dispatch receive, with totals if `totals` is given.
    func dispatchReceive(_ member: Member, endsStep: Bool = false, totals: DispatchTotalsParameters? = nil) throws {
        guard let masks = masks(member) else {
            return try launch(
                dispatchReceiver(endsStep: endsStep, totals: totals != nil), blocks: blocks, member,
                [
                    DispatchReceiveParameters(
                        counts: member.counts.parameter, watchdog: watchdog(member), arriving: arriving(member)),
                    totals,
                ])
        }
        try launch(
            dispatchReceiver(endsStep: endsStep, totals: totals != nil), blocks: blocks, member,
            [
                DispatchUnpackParameters(
                    counts: member.counts.parameter, layoutRange: member.layoutRange.parameter,
                    watchdog: watchdog(member), arriving: arriving(member)), masks, totals,
            ])
    }

    /// Enqueues a combine send of `results`; of the rank's own when nil. Launched without dependence: it reads counts
    /// and the step's number before it waits for its predecessor, which may write them here.
    func combineSend(_ member: Member, _ results: DeviceArray<BFloat16>? = nil) throws {
        try launch(
            combineSender(), blocks: blocks, member,
            [
                CombineSendParameters(
                    rows: (results ?? member.results).parameter, counts: member.counts.parameter, ranks: ranks(member),
                    signals: signals.parameter, threshold: 0, statistics: statistics.parameter, discards: false,
                    step: member.step.parameter, watchdog: watchdog(member)), links(member), masks(member),
            ], dependent: false)
    }

    /// Enqueues a combine receive, which ends the step, with totals if `totals` is given.
    ///
    /// - Parameter output: Where sums go; to the rank's own output when nil.
    func combineReceive(
        _ member: Member, into output: DeviceArray<BFloat16>? = nil, totals: WaitTotalsParameters? = nil
    ) throws {
        try launch(
            combineReceiveKernel(layout, totals: totals != nil), blocks: blocks, member,
            [
                CombineReceiveParameters(
                    home: arriving(member), tokenCount: member.tokenCount.parameter,
                    experts: member.experts.parameter, weights: member.weights.parameter,
                    output: (output ?? member.output).parameter, discards: false, watchdog: watchdog(member)),
                masks(member),
                totals,
            ])
    }

    /// Enqueues a barrier of all ranks, which ends the step.
    func barrier(_ member: Member) throws {
        try launch(
            rankBarrierKernel(layout), blocks: 1, member,
            [
                RankBarrierParameters(
                    ranks: ranks(member), step: member.step.parameter, watchdog: watchdog(member)), masks(member),
            ])
    }

    /// Delays the rank's stream.
    func delay(_ member: Member, nanoseconds: UInt64) throws {
        try launch(
            delayKernel(), blocks: 1, member, [DelayParameters(nanoseconds: ScalarParameter(nanoseconds))],
            dependent: false)
    }

    private struct DelayParameters: KernelParameters {
        var nanoseconds: ScalarParameter<UInt64>
    }

    // MARK: Results

    /// Waits for all enqueued work.
    func synchronize() throws { for member in members { try device.synchronize(member.stream) } }

    /// The wait of a rank that has failed, if one has.
    func fault(_ member: Member) throws -> WaitFault? {
        WaitFault(
            record: try device.read(UInt64.self, count: WaitFault.words, from: member.fault.buffer),
            rank: member.index, shape: layout.shape)
    }

    /// Waits for all enqueued work; throws `ConformanceFailure` if a wait has failed or a rank is masked.
    func requireNoFault() throws {
        try synchronize()
        for member in members {
            if let fault = try fault(member) { throw ConformanceFailure("\(fault)") }
            let masked = try masks(of: member)
            try require(masked.isEmpty, "rank \(member.index) has masked \(masked)")
        }
    }

    /// The waits by which a rank has masked others, by their numbers; nil for those that the host has masked.
    func masks(of member: Member) throws -> [Int: WaitFault?] {
        let words = try device.read(
            UInt64.self, count: layout.shape.ranks * WaitFault.words, from: member.masks.buffer)
        var result: [Int: WaitFault?] = [:]
        for rank in 0..<layout.shape.ranks {
            let record = Array(words[rank * WaitFault.words..<(rank + 1) * WaitFault.words])
            if record[0] != 0 {
                result.updateValue(
                    WaitFault(record: record, rank: member.index, shape: layout.shape), forKey: rank)
            }
        }
        return result
    }

    /// Masks `rank` on a rank, as its host does. Nothing may be running.
    func mask(_ rank: Int, on member: Member) throws {
        try device.write([UInt64(2)], to: member.masks.buffer, offset: rank * WaitFault.words * 8)
    }

    /// The step of each rank's last barrier, as a rank knows it.
    func barriers(_ member: Member) throws -> [UInt32] {
        try device.read(
            UInt32.self, count: layout.shape.ranks, from: member.window.buffer, offset: layout.barriers.offset)
    }
}
