import Accelerator
import ExpertKernels
import KernelLanguage

/// The first half of a set of experts: gate and up GEMM, SwiGLU, quantisation.
struct GateUp {
    private let device: any Device
    let weights: WeightBuffer
    private let gemm: GroupedGEMM
    /// The same for rows that arrive while it runs.
    private let arrivingGEMM: GroupedGEMM?
    /// After the GEMM, where its tiles are too narrow for SwiGLU in its epilogue.
    private let swiGLU: SeparateSwiGLU?

    private struct SeparateSwiGLU {
        let kernel: LoadedKernel
        let arguments: [KernelArgument]
        /// Buffers that the arguments point at: BF16 `[experts, maxRows, 2 * intermediate]` and the stack's own.
        let operands: [DeviceBuffer]
    }

    /// Allocates it; `write` uploads the weights, unless another's are `shared`.
    ///
    /// - Parameters:
    ///   - output: FP8 `[experts, maxRows, intermediate]`.
    ///   - outputScales: Float32 `[experts, intermediate / 128, scaleRows]`.
    init(
        _ device: any Device, _ shape: ExpertShape, _ operands: ExpertStack.Operands, output: DeviceBuffer,
        outputScales: DeviceBuffer, weights shared: WeightBuffer?, exchange: TokenExchange,
        scratch: GEMMScratch, overlaps: Bool,
        label: String
    ) throws {
        self.device = device
        let trace = exchange.records.traceParameters(.gateUp)
        let configuration = shape.gateUp(multiprocessors: scratch.gridSize)
        weights =
            try shared
            ?? WeightBuffer(
                device, rows: configuration.problem.n, columns: shape.hidden, experts: shape.experts,
                tileN: configuration.tile.n, channelScales: shape.channelScales, label: "gate and up of \(label)")
        var written = GroupedGEMM.Operands(
            rows: operands.rows, rowScales: operands.rowScales, counts: operands.counts, output: output,
            outputScales: outputScales)
        written.trace = trace
        switch configuration.role.output {
        case .swiGLU: swiGLU = nil
        case .bfloat16:
            written.output = try device.allocate(
                bytes: shape.experts * shape.maxRows * configuration.problem.n * 2,
                label: "gate and up sums of \(label)")
            let buffers = [operands.counts, written.output, output, outputScales]
            let kernel = try swiGLUKernel(shape)
            let swiGLU = SwiGLUParameters(
                counts: MemoryParameter(address: operands.counts.address),
                gateUp: MemoryParameter(address: written.output.address),
                rows: MemoryParameter(address: output.address),
                scales: MemoryParameter(address: outputScales.address))
            let arguments = KernelArguments([trace, swiGLU])
            self.swiGLU = SeparateSwiGLU(
                kernel: try device.loadFitting(kernel), arguments: try arguments.ordered(for: kernel),
                operands: buffers)
        }
        let (weights, operands) = (weights, written)
        // With masks, the receive settles the counts.
        written.countsAreOfKernelBefore = exchange.records.masks != nil
        gemm = try GroupedGEMM(device, configuration, weights, written, scratch)
        func arriving() throws -> GroupedGEMM {
            var operands = operands
            operands.ranks = [exchange.arriving]
            operands.signals = exchange.rowSignals.buffer
            operands.masks = exchange.records.masks?.parameters
            let configuration = shape.configuration(
                .arrivingGateUp, window: exchange.configuration.window, multiprocessors: scratch.gridSize)
            return try GroupedGEMM(device, configuration, weights, operands, scratch)
        }
        arrivingGEMM = try overlaps ? arriving() : nil
    }

    /// Uploads the weights of one expert.
    func write(_ own: ExpertWeights, of expert: Int) throws {
        if swiGLU == nil {
            try weights.write(gate: own.gate, up: own.up, of: expert)
        } else {
            try weights.write(gateAboveUp: own.gate, own.up, of: expert)
        }
    }

    /// Packs weights of experts that are on the device.
    func pack(gate: UnpackedWeights, up: UnpackedWeights, of experts: Range<Int>, on stream: DeviceStream) throws {
        if swiGLU == nil {
            try weights.pack(gate: gate, up: up, of: experts, on: stream)
        } else {
            try weights.pack(gateAboveUp: gate, up, of: experts, on: stream)
        }
    }

    /// Enqueues the GEMM and the activation, after the rows' receive or in its place.
    func enqueue(blocks: Int, arriving: Bool, on stream: DeviceStream) throws {
        try ((arriving ? arrivingGEMM : nil) ?? gemm).enqueue(blocks: blocks, on: stream)
        if let swiGLU {
            // Several small thread blocks to a multiprocessor hide the latency of loads.
            try device.launch(
                swiGLU.kernel, blocks: 4 * blocks, arguments: swiGLU.arguments, dependentLaunch: true, on: stream)
        }
    }
}
