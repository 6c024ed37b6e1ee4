import Accelerator
import ExpertKernels
import KernelLanguage

/// The device memory and streams of one rank.
public final class Rank: Sendable {
    /// Number of the rank.
    public let index: Int
    /// Dispatch, GEMMs and combine receive run here.
    public let compute: DeviceStream
    /// In overlapped phases: the shared expert, and the combine send.
    public let communication: DeviceStream

    /// What other ranks write to, see `RankWindow`.
    let window: DeviceBuffer
    /// UInt32 `[3]`: tokens of this step, and how many of them are in each half of the batch.
    let tokenCount: DeviceBuffer
    /// BF16 `[maxTokens, hidden]`.
    let input: DeviceBuffer
    /// Int64 `[maxTokens, topK]`.
    package let experts: DeviceBuffer
    /// Float32 `[maxTokens, topK]`.
    let weights: DeviceBuffer
    /// BF16 `[maxTokens, hidden]`.
    let output: DeviceBuffer

    /// Dispatched rows of all experts of the rank, the shared ones first, packed: FP8 or BF16 `[rankExperts, maxRows, hidden]`.
    public let rows: DeviceBuffer
    /// Float32 `[rankExperts, hidden / 128, scaleRows]`; FP8 only.
    public let rowScales: DeviceBuffer
    /// Int32 `[rankExperts]`: rows of each local expert.
    public let receivedCount: DeviceBuffer
    /// Int64 `[rankExperts, maxRows]`: source token in the low 32 bits, source rank in the high ones.
    public let sourceInfo: DeviceBuffer
    /// Int64 `[rankExperts, ranks]`: count in the low 32 bits, first row in the high ones.
    public let layoutRange: DeviceBuffer
    /// BF16 `[rankExperts, maxRows, hidden]`: what the combine sends home. A step of `MoELayer` leaves nothing in it.
    public let expertOutput: DeviceBuffer
    /// UInt32 `[rankExperts, blocks]`, cleared by each dispatch send.
    public let signals: DeviceBuffer
    /// The same between the gate and up GEMM and the down GEMM, behind the others.
    let rowSignals: DeviceBuffer

    /// See `StepCounter`.
    let step: DeviceBuffer
    /// UInt64 `[ranks]`, see `PacedLink`.
    let linkBusy: DeviceBuffer
    let statistics: DeviceBuffer
    let faultRecord: DeviceBuffer
    /// See `TraceEvent`; nil where nothing is traced.
    let trace: DeviceBuffer?
    /// For the GEMMs: one for gate and up, and one for down, which may begin before the other has ended.
    let scratch: GEMMScratch
    let downScratch: GEMMScratch

    /// - Parameter half: The rank whose memory for inputs, outputs and faults this one shares, and which half of them. All
    ///   that it launches goes to the other one's communication stream.
    init(
        _ index: Int, device: any Device, _ configuration: GroupConfiguration, half: (of: Rank, number: Int)? = nil
    ) throws {
        self.index = index
        let shape = configuration.shape
        let layout = configuration.window
        let packedRows = shape.rankExperts * shape.maxRows
        func make(_ label: String, _ bytes: Int) throws -> DeviceBuffer {
            try device.allocate(bytes: max(bytes, 16), label: "\(label) of rank \(index)")
        }
        func tokenMemory(_ label: String, _ bytesOfToken: Int, _ whole: DeviceBuffer?) throws -> DeviceBuffer {
            guard let half, let whole else { return try make(label, shape.maxTokens * bytesOfToken) }
            let first = half.number * shape.maxTokens * bytesOfToken
            return whole.part(
                "\(label) of rank \(index), half \(half.number)", offset: first,
                bytes: min(shape.maxTokens * bytesOfToken, whole.bytes - first))
        }
        compute = try half?.of.communication ?? device.makeStream(label: "rank \(index) compute", rank: index)
        communication =
            try half?.of.communication ?? device.makeStream(label: "rank \(index) communication", rank: index)
        window = try make("window", layout.bytes)
        tokenCount =
            try half.map {
                $0.of.tokenCount.part("tokens of a half of rank \(index)", offset: 4 + 4 * $0.number, bytes: 4)
            } ?? make("token count", 12)
        input = try tokenMemory("input", shape.hidden * 2, half?.of.input)
        experts = try tokenMemory("experts", shape.topK * 8, half?.of.experts)
        weights = try tokenMemory("weights", shape.topK * 4, half?.of.weights)
        output = try tokenMemory("output", shape.hidden * 2, half?.of.output)
        rows = window.part("rows of rank \(index)", offset: layout.rows, bytes: layout.rowsBytes)
        rowScales = window.part("row scales of rank \(index)", offset: layout.scales, bytes: layout.scalesBytes)
        receivedCount = try make("received count", shape.rankExperts * 4)
        sourceInfo = window.part(
            "source info of rank \(index)", offset: layout.sourceInfo, bytes: packedRows * 8)
        layoutRange = try make("layout range", shape.rankExperts * shape.ranks * 8)
        expertOutput = try make("expert output", packedRows * shape.hidden * 2)
        let signalBytes = configuration.signalCount * 4
        let allSignals = try make("signals", 2 * signalBytes)
        signals = allSignals.part("signals of rank \(index)", offset: 0, bytes: signalBytes)
        rowSignals = allSignals.part("row signals of rank \(index)", offset: signalBytes, bytes: signalBytes)
        step = try make("step", 8)
        linkBusy = try make("links", shape.ranks * 8)
        statistics = try half?.of.statistics ?? make("statistics", 16)
        trace = try half?.of.trace ?? (configuration.traced ? make("trace", TraceEvent.traceBytes) : nil)
        faultRecord = try half?.of.faultRecord ?? make("fault record", WaitFault.words * 8)
        let faultRecord = faultRecord
        func makeScratch(_ label: String) throws -> GEMMScratch {
            try GEMMScratch(
                device, gridSize: configuration.multiprocessors, label: "\(label) of rank \(index)",
                faultRecord: faultRecord, waitSeconds: configuration.waitLimit)
        }
        scratch = try makeScratch("gate and up")
        downScratch = try makeScratch("down")
    }

    /// Puts all flags, counters and records into the state before the first step. Nothing may be running.
    func reset(_ device: any Device) throws {
        // Row scales beyond an expert's count are loaded with their block; they must hold something.
        let state = [
            window, signals, rowSignals, step, linkBusy, statistics, faultRecord, scratch.flags, downScratch.flags,
        ]
        for buffer in state { try device.fill(buffer, with: 0, on: compute) }
        if let trace { try device.fill(trace, with: 0, on: compute) }
        try device.synchronize(compute)
    }

    /// The arguments with which a launch begins.
    func traceArguments(_ phase: StepPhase) -> [KernelArgument] {
        trace.map { [.address($0.address), .uint32(phase.rawValue)] } ?? []
    }

    /// Copies a step's input to the device.
    func load(_ rankInput: RankInput, maxTokens: Int, _ device: any Device) throws {
        let tokens = UInt32(rankInput.routing.tokens)
        let first = min(tokens, UInt32(maxTokens + 1) / 2)
        try device.write([tokens, first, tokens - first], to: tokenCount)
        try device.write(rankInput.hiddenStates, to: input)
        try device.write(rankInput.routing.experts, to: experts)
        try device.write(rankInput.routing.weights, to: weights)
    }
}

extension GroupConfiguration {
    /// Signals of one rank.
    var signalCount: Int { shape.rankExperts * signalBlocks(shape, blockM: blockM) }
}
