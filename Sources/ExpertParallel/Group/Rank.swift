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

    /// Dispatched rows, packed: FP8 or BF16 `[localExperts, maxRows, hidden]`.
    public let rows: DeviceBuffer
    /// Float32 `[localExperts, hidden / 128, scaleRows]`; FP8 only.
    public let rowScales: DeviceBuffer
    /// Int32 `[localExperts]`: rows of each local expert.
    public let receivedCount: DeviceBuffer
    /// Int64 `[localExperts, maxRows]`: source token in the low 32 bits, source rank in the high ones.
    public let sourceInfo: DeviceBuffer
    /// Int64 `[localExperts, ranks]`: count in the low 32 bits, first row in the high ones.
    public let layoutRange: DeviceBuffer
    /// UInt32 `[localExperts, maxRows]`: `token * topK + k` of each row at its source.
    let choices: DeviceBuffer
    /// BF16 `[localExperts, maxRows, hidden]`: what the combine sends home.
    public let expertOutput: DeviceBuffer
    /// UInt32 `[localExperts, blocks]`, cleared by each dispatch receive.
    public let signals: DeviceBuffer

    let dispatchSent: DeviceBuffer
    let combineSent: DeviceBuffer
    let dispatchStep: DeviceBuffer
    let combineStep: DeviceBuffer
    let statistics: DeviceBuffer
    let faultRecord: DeviceBuffer
    /// For the GEMMs of the routed experts.
    let routedScratch: GEMMScratch
    /// For those of the shared expert, which may run beside them.
    let sharedScratch: GEMMScratch

    init(_ index: Int, device: any Device, _ configuration: GroupConfiguration) throws {
        self.index = index
        let shape = configuration.shape
        let layout = RankWindow(shape, configuration.format)
        let packedRows = shape.localExperts * shape.maxRows
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
        rows = try make("rows", packedRows * layout.rowBytes)
        rowScales = try make("row scales", shape.localExperts * shape.hiddenGroups * shape.scaleRows * 4)
        receivedCount = try make("received count", shape.localExperts * 4)
        sourceInfo = try make("source info", packedRows * 8)
        layoutRange = try make("layout range", shape.localExperts * shape.ranks * 8)
        choices = try make("choices", packedRows * 4)
        expertOutput = try make("expert output", packedRows * shape.hidden * 2)
        signals = try make("signals", configuration.signalCount * 4)
        dispatchSent = try make("dispatch counters", shape.experts * 4)
        combineSent = try make("combine counters", shape.localExperts * shape.ranks * 4)
        dispatchStep = try make("dispatch step", 8)
        combineStep = try make("combine step", 8)
        statistics = try make("statistics", 16)
        let faultRecord = try make("fault record", WaitFault.words * 8)
        self.faultRecord = faultRecord
        func makeScratch(_ experts: String, blockM: Int) throws -> GEMMScratch {
            try GEMMScratch(
                device, gridSize: configuration.multiprocessors, blockM: blockM,
                label: "\(experts) experts of rank \(index)", faultRecord: faultRecord,
                waitSeconds: configuration.waitLimit)
        }
        routedScratch = try makeScratch("routed", blockM: configuration.blockM)
        sharedScratch = try makeScratch("shared", blockM: GEMMConfiguration.blockM(holding: shape.maxTokens))
    }

    /// Puts all flags, counters and records into the state before the first step. Nothing may be running.
    func reset(_ device: any Device) throws {
        // Row scales beyond an expert's count are loaded with their block; they must hold something.
        let state = [
            window, rowScales, signals, dispatchSent, combineSent, dispatchStep, combineStep, statistics, faultRecord,
            routedScratch.flags, sharedScratch.flags,
        ]
        for buffer in state { try device.fill(buffer, with: 0, on: compute) }
        try device.synchronize(compute)
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
    var signalCount: Int { shape.localExperts * signalBlocks(shape, blockM: blockM) }
}
