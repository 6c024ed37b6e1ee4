import Accelerator
import ExpertKernels
import KernelLanguage

/// The shared expert of one rank: it takes all the rank's own tokens.
final class SharedExpert {
    /// BF16 `[maxTokens, hidden]`.
    let output: DeviceBuffer
    let stack: ExpertStack
    private let device: any Device
    private let rank: Rank
    private let quantise: LoadedKernel
    private let rows: DeviceBuffer
    private let rowScales: DeviceBuffer

    init(_ device: any Device, _ rank: Rank, _ shape: LayerShape, weights: ExpertWeights) throws {
        self.device = device
        self.rank = rank
        let experts = shape.sharedExpert(intermediate: weights.gate.rows)
        func make(_ label: String, _ bytes: Int) throws -> DeviceBuffer {
            try device.allocate(bytes: bytes, label: "shared \(label) of rank \(rank.index)")
        }
        rows = try make("rows", shape.maxTokens * shape.hidden)
        rowScales = try make("row scales", shape.hiddenGroups * experts.scaleRows * 4)
        output = try make("output", shape.maxTokens * shape.hidden * 2)
        quantise = try device.loadFitting(quantiseKernel(hidden: shape.hidden, scaleRows: experts.scaleRows))
        stack = try ExpertStack(
            device, experts,
            ExpertStack.Operands(rows: rows, rowScales: rowScales, counts: rank.tokenCount, output: output),
            traces: ExpertStack.Traces(
                gateUp: rank.traceArguments(.sharedGateUp), down: rank.traceArguments(.sharedDown)),
            label: "the shared expert of rank \(rank.index)", scratch: rank.sharedScratch, signals: nil,
            weights: { _ in weights })
        try device.fill(rowScales, with: 0, on: rank.compute)
        try stack.reset(on: rank.compute)
        try device.synchronize(rank.compute)
    }

    /// Enqueues the whole expert on `blocks` multiprocessors.
    func enqueue(blocks: Int, on stream: DeviceStream) throws {
        try device.launch(
            quantise, blocks: blocks,
            arguments: rank.traceArguments(.sharedQuantise) + [
                .address(rank.tokenCount.address), .address(rank.input.address), .address(rows.address),
                .address(rowScales.address),
            ], dependentLaunch: false, on: stream)
        try stack.enqueueUp(blocks: blocks, on: stream)
        try stack.enqueueDown(blocks: blocks, on: stream)
    }
}
