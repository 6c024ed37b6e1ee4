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
    /// UInt32: tokens of this step.
    let tokenCount: DeviceBuffer
    /// BF16 `[maxTokens, hidden]`.
    let input: DeviceBuffer
    /// Int64 `[maxTokens, topK]`.
    let experts: DeviceBuffer
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
    /// BF16 `[rankExperts, maxRows, hidden]`: what the combine sends home.
    public let expertOutput: DeviceBuffer
    /// UInt32 `[rankExperts, blocks]`, cleared by each dispatch send.
    public let signals: DeviceBuffer

    /// See `StepCounter`.
    let step: DeviceBuffer
    /// UInt64 `[ranks]`, see `PacedLink`.
    let linkBusy: DeviceBuffer
    let statistics: DeviceBuffer
    let faultRecord: DeviceBuffer
    /// See `TraceEvent`; nil where nothing is traced.
    let trace: DeviceBuffer?
    /// For the GEMMs.
    let scratch: GEMMScratch

    init(_ index: Int, device: any Device, _ configuration: GroupConfiguration) throws {
        self.index = index
        let shape = configuration.shape
        let layout = configuration.window
        let packedRows = shape.rankExperts * shape.maxRows
        compute = try device.makeStream(label: "rank \(index) compute")
        communication = try device.makeStream(label: "rank \(index) communication")
        func make(_ label: String, _ bytes: Int) throws -> DeviceBuffer {
            try device.allocate(bytes: max(bytes, 16), label: "\(label) of rank \(index)")
        }
        window = try make("window", layout.bytes)
        tokenCount = try make("token count", 4)
        input = try make("input", shape.maxTokens * shape.hidden * 2)
        experts = try make("experts", shape.maxTokens * shape.topK * 8)
        weights = try make("weights", shape.maxTokens * shape.topK * 4)
        output = try make("output", shape.maxTokens * shape.hidden * 2)
        rows = window.part("rows of rank \(index)", offset: layout.rows, bytes: layout.rowsBytes)
        rowScales = window.part("row scales of rank \(index)", offset: layout.scales, bytes: layout.scalesBytes)
        receivedCount = try make("received count", shape.rankExperts * 4)
        sourceInfo = window.part(
            "source info of rank \(index)", offset: layout.sourceInfo, bytes: packedRows * 8)
        layoutRange = try make("layout range", shape.rankExperts * shape.ranks * 8)
        expertOutput = try make("expert output", packedRows * shape.hidden * 2)
        signals = try make("signals", configuration.signalCount * 4)
        step = try make("step", 8)
        linkBusy = try make("links", shape.ranks * 8)
        statistics = try make("statistics", 16)
        trace = configuration.traced ? try make("trace", TraceEvent.traceBytes) : nil
        let faultRecord = try make("fault record", WaitFault.words * 8)
        self.faultRecord = faultRecord
        scratch = try GEMMScratch(
            device, gridSize: configuration.multiprocessors, blockM: configuration.blockM, label: "rank \(index)",
            faultRecord: faultRecord, waitSeconds: configuration.waitLimit)
    }

    /// Puts all flags, counters and records into the state before the first step. Nothing may be running.
    func reset(_ device: any Device) throws {
        // Row scales beyond an expert's count are loaded with their block; they must hold something.
        let state = [
            window, signals, step, linkBusy, statistics, faultRecord, scratch.flags,
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
    func load(_ rankInput: RankInput, _ device: any Device) throws {
        try device.write([UInt32(rankInput.routing.tokens)], to: tokenCount)
        try device.write(rankInput.hiddenStates, to: input)
        try device.write(rankInput.routing.experts, to: experts)
        try device.write(rankInput.routing.weights, to: weights)
    }
}

extension GroupConfiguration {
    /// Signals of one rank.
    var signalCount: Int { shape.rankExperts * signalBlocks(shape, blockM: blockM) }
}
