import Accelerator
import ExpertKernels
import KernelLanguage
import Transport

/// Dispatch and combine of one batch of tokens on one rank: the window that other ranks write to, the experts' input,
/// and the kernels.
final class TokenExchange {
    /// Which of a rank's exchanges it is.
    enum Part: Hashable {
        /// That of whole batches.
        case whole
        /// That of a half of them, number 0 or 1.
        case half(Int)
        /// One of several that batches take in turns.
        case turn(Int)

        /// The name of its window, for the transport.
        var window: String {
            switch self {
            case .whole: "window"
            case .half(let number): "window of half \(number)"
            case .turn(let number): "window of turn \(number)"
            }
        }

        /// For labels of memory.
        func label(rank: Int) -> String {
            switch self {
            case .whole: "rank \(rank)"
            case .half(let number): "rank \(rank), half \(number)"
            case .turn(let number): "rank \(rank), turn \(number)"
            }
        }

        /// Whether an engine's calls use it, which may come in any order, or steps of a layer.
        var isOfCalls: Bool { if case .turn = self { true } else { false } }

        /// Whether the first words of its window are the rank's beat and notices, of which a rank has one set.
        var holdsBeat: Bool { self == .whole || self == .turn(0) }
    }

    /// The streams that its kernels run on.
    struct Streams {
        /// Dispatch and combine receive.
        let compute: DeviceStream
        /// A combine send beside a GEMM; the same as `compute` where all communication is on one stream.
        let communication: DeviceStream

        /// Whether they differ; two values may have the same handle.
        var areTwo: Bool { compute.handle != communication.handle }
    }

    let configuration: GroupConfiguration
    /// Tokens of the steps that are enqueued from now on.
    var tokens: TokenAddresses
    let streams: Streams
    /// The memory that other ranks write to, see `RankWindow`.
    let window: DeviceBuffer
    /// In words of 4 bytes.
    let rows: DeviceArray<UInt32>
    let rowScales: DeviceArray<UInt32>
    let receivedCount: DeviceArray<UInt32>
    let sourceInfo: DeviceArray<UInt64>
    let layoutRange: DeviceArray<UInt64>
    let signals: DeviceArray<UInt32>
    /// Signals from the gate and up GEMM to the down GEMM, in memory right behind `signals`.
    let rowSignals: DeviceArray<UInt32>
    let steps = StepOrder()

    let device: any Device
    let records: RankRecords
    private let transport: any Transport
    private let part: Part
    /// The rank and the part, for labels of memory.
    let label: String
    let kernels: CommunicationKernels
    /// See `StepCounter`.
    let step: DeviceArray<UInt32>
    /// UInt64 `[ranks]`, see `PacedLink`.
    private let linkBusy: DeviceArray<UInt64>
    /// UInt64 `[ranks]`: addresses of the windows, known when the rank is connected.
    private let peers: DeviceArray<UInt64>
    /// nil without a network.
    private let network: NetworkMemory?
    /// Arguments of each kernel's launches.
    private var arguments: [ObjectIdentifier: LaunchArguments] = [:]
    /// Windows of the others, which must stay where they are.
    private var peerWindows: [DeviceBuffer] = []

    /// - Parameter streams: The streams of launches. Only where both differ may a launch begin before the kernel before
    ///   it has ended.
    init(
        _ device: any Device, _ configuration: GroupConfiguration, _ transport: any Transport, _ part: Part,
        tokens: TokenAddresses, records: RankRecords, streams: Streams
    ) throws {
        let (shape, layout) = (configuration.shape, configuration.window)
        let label = part.label(rank: transport.rank)
        self.label = label
        (self.device, self.configuration, self.transport) = (device, configuration, transport)
        (self.part, self.tokens, self.records, self.streams) = (part, tokens, records, streams)
        kernels = try KernelBuilder.$isTracing.withValue(configuration.traced) {
            try part.isOfCalls
                ? CommunicationKernels.forCalls(device, configuration)
                : CommunicationKernels.forLayers(device, configuration)
        }
        let window = try transport.makeWindow(part.window, bytes: layout.bytes, on: device)
        self.window = window
        func array<Element>(_ region: WindowRegion<Element>, _ what: String) -> DeviceArray<Element> {
            DeviceArray(window.part("\(what) of \(label)", offset: region.offset, bytes: region.bytes))
        }
        rows = array(layout.rows, "rows")
        rowScales = array(layout.scales, "row scales")
        sourceInfo = array(layout.sourceInfo, "source info")
        receivedCount = try device.allocate(
            UInt32.self, count: shape.rankExperts, label: "received count of \(label)")
        layoutRange = try device.allocate(
            UInt64.self, count: shape.rankExperts * shape.ranks, label: "layout range of \(label)")
        let count = configuration.signalCount
        let allSignals = try device.allocate(UInt32.self, count: 2 * count, label: "signals of \(label)")
        signals = allSignals.part("signals of \(label)", from: 0, count: count)
        rowSignals = allSignals.part("row signals of \(label)", from: count, count: count)
        step = try device.allocate(UInt32.self, count: 2, label: "step of \(label)")
        linkBusy = try device.allocate(UInt64.self, count: shape.ranks, label: "links of \(label)")
        peers = try device.allocate(UInt64.self, count: shape.ranks, label: "peers of \(label)")
        network = try NetworkMemory(
            device, configuration, transport, masks: records.masks, label: label)
    }

    /// The number of the rank.
    var rank: Int { transport.rank }

    /// Multiprocessors that unpack rows where ranks are masked. Half batches leave the others to the GEMMs of the other
    /// half.
    var unpackingBlocks: Int {
        if case .half = part { configuration.splitMultiprocessors } else { configuration.multiprocessors }
    }

    /// Lets the other ranks write to the window, which is in the state before the first step.
    func offer() throws { try transport.offerWindow(part.window) }

    /// Finds the other ranks' windows. This rank's own stands for those of ranks that are `missing`.
    func connect(without missing: Set<Int>, within seconds: Double) throws {
        let found =
            missing.isEmpty
            ? try transport.windows(part.window, within: seconds)
            : try (0..<transport.ranks).map {
                missing.contains($0) ? window : try transport.window(part.window, of: $0, within: seconds)
            }
        for (rank, peer) in found.enumerated() where peer.bytes != window.bytes {
            throw GroupError.windowSize(rank: rank, bytes: peer.bytes, expected: window.bytes)
        }
        // Kernels do not load from or store to windows that the network reaches.
        try device.write(found.indices.map { isNetworked($0) ? 0 : found[$0].address }, to: peers.buffer)
        try network?.connect(found, device)
        // A window begins with its rank's beat word.
        if let masks = records.masks, part.holdsBeat {
            try masks.connect(found, configuration.window, own: window, device, reaches: isNetworked)
        }
        peerWindows = found
    }

    /// Replaces the window of one rank by the one that it offers now.
    func replaceWindow(of peer: Int, within seconds: Double) throws {
        guard !peerWindows.isEmpty else { throw GroupError.notConnected(rank: transport.rank) }
        let found = try transport.window(part.window, of: peer, within: seconds)
        guard found.bytes == window.bytes else {
            throw GroupError.windowSize(rank: peer, bytes: found.bytes, expected: window.bytes)
        }
        if !isNetworked(peer) {
            try device.write([found.address], to: peers.part("window of rank \(peer)", from: peer, count: 1).buffer)
        }
        try network?.replaceWindow(of: peer, found, device)
        if let masks = records.masks, part.holdsBeat {
            try masks.replaceWindow(of: peer, found, device, isNetworked: isNetworked(peer))
        }
        peerWindows[peer] = found
    }

    /// Forgets what `rank` has sent, and that it has masked this one. It may have been a step ahead when it was lost,
    /// and its words for that step must not pass for those that it sends when it comes back. A network may have counted
    /// late rows of its last step that are no longer expected: counters and expectations begin anew, as they do at
    /// `rank`. Nothing may be running or in flight.
    func forget(_ rank: Int) throws {
        let (shape, layout) = (configuration.shape, configuration.window)
        func clear<Element>(_ region: WindowRegion<Element>, halves: Int) throws {
            let part = region.bytes / halves / shape.ranks
            if part == 0 { return }
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
        try clear(layout.landedRows, halves: 1)
        try clear(layout.landedResults, halves: 1)
        try network?.forget(rank, device)
    }

    /// Whether a network reaches `peer`.
    func isNetworked(_ peer: Int) -> Bool { network?.reaches(peer) ?? false }

    /// Steps that are over.
    func completedSteps() throws -> UInt32 { try device.read(UInt32.self, count: 1, from: step.buffer)[0] }

    /// Goes on after this many steps. Nothing may be running, and all state must be as before the first step.
    func adopt(completedSteps: UInt32) throws { try device.write([completedSteps, 0], to: step.buffer) }

    /// Buffers that are zero before the first step. The window's row scales are among them: those beyond an expert's
    /// count are loaded with their row block.
    var state: [DeviceBuffer] {
        [window, signals.buffer, rowSignals.buffer, step.buffer, linkBusy.buffer] + (network?.state ?? [])
    }

    // MARK: Parameters of kernels

    var ranks: PeersParameters { PeersParameters(peers: peers.parameter, rank: transport.rank) }
    /// nil without links.
    var links: LinkParameters? { configuration.link.map { _ in LinkParameters(linkBusy: linkBusy.parameter) } }
    /// Further parameters of kernels that reach other ranks; nil for those that the configuration does without.
    var reach: [(any KernelParameters)?] { [records.masks?.parameters, network?.parameters, network?.card] }
    /// For a kernel that waits for rows itself.
    var arriving: ArrivingParameters {
        ArrivingParameters(
            window: MemoryParameter(address: window.address), rank: transport.rank, step: step.parameter)
    }
    /// For a kernel that stores rows at home itself, besides masks.
    var home: [any KernelParameters] {
        [HomeParameters(ranks: ranks, step: step.parameter)] + (links.map { [$0] } ?? [])
    }

    // MARK: Launches

    /// The launch of a kernel.
    struct Launch {
        /// The kernel.
        let kernel: LoadedKernel
        /// The phase that the rank is in after the launch; nil for a launch outside steps.
        let phase: StepOrder.Phase?
        /// The phase of its trace events.
        let traced: StepPhase
        let blocks: Int
        let stream: DeviceStream
        /// Whether it may begin before the kernel before it on the stream has ended.
        var dependent = true
    }

    /// Enqueues a kernel. When that fails, the step cannot be finished.
    ///
    /// - Parameters:
    ///   - parameters: All of the kernel's, gathered at its first launch.
    ///   - changes: Those that may differ from launch to launch, by name.
    func enqueue(
        _ launch: Launch, _ parameters: @autoclosure () -> [(any KernelParameters)?],
        changing changes: [(name: String, argument: KernelArgument)] = []
    ) throws {
        guard !peerWindows.isEmpty else { throw GroupError.notConnected(rank: transport.rank) }
        if let phase = launch.phase { try steps.advance(to: phase) }
        do {
            let key = ObjectIdentifier(launch.kernel)
            let known = try arguments[key] ?? gather(launch, parameters())
            try device.launch(
                launch.kernel, blocks: launch.blocks, arguments: known.changing(changes),
                dependentLaunch: launch.dependent && streams.areTwo, on: launch.stream)
        } catch {
            steps.fail()
            throw error
        }
    }

    private func gather(_ launch: Launch, _ parameters: [(any KernelParameters)?]) throws -> LaunchArguments {
        let made = try LaunchArguments(
            [records.traceParameters(launch.traced)] + parameters, for: launch.kernel.kernel)
        arguments[ObjectIdentifier(launch.kernel)] = made
        return made
    }
}

extension GroupConfiguration {
    /// Signals of one rank.
    var signalCount: Int { shape.rankExperts * signalBlocks(shape, blockM: blockM) }
}
