import Accelerator
import ExpertKernels
import KernelLanguage

/// The first half of a set of experts: gate and up GEMM, SwiGLU, quantisation.
struct GateUp {
    private let device: any Device
    let weights: WeightBuffer
    /// See `GEMMConfiguration.followedAfter`.
    let followedAfter: Int?
    private let gemm: GroupedGEMM
    /// The same for rows that arrive while it runs.
    private let arrivingGEMM: GroupedGEMM?
    /// After the GEMM, where its tiles are too narrow for SwiGLU in its epilogue.
    private let swiGLU: SeparateSwiGLU?

    private struct SeparateSwiGLU {
        let kernel: LoadedKernel
        let arguments: [KernelArgument]
        /// What the arguments point at: BF16 `[experts, maxRows, 2 * intermediate]` and what the stack was given.
        let operands: [DeviceBuffer]
    }

    /// Allocates it; `write` uploads the weights, unless another's are `shared`.
    ///
    /// - Parameters:
    ///   - output: FP8 `[experts, maxRows, intermediate]`.
    ///   - outputScales: Float32 `[experts, intermediate / 128, scaleRows]`.
    init(
        _ device: any Device, _ shape: ExpertShape, _ operands: ExpertStack.Operands, output: DeviceBuffer,
        outputScales: DeviceBuffer, weights shared: WeightBuffer?, arriving: ExpertStack.Ranks?,
        trace: [KernelArgument], scratch: GEMMScratch,
        label: String
    ) throws {
        self.device = device
        let configuration = shape.gateUp(multiprocessors: scratch.gridSize)
        followedAfter = configuration.followedAfter
        weights =
            try shared
            ?? WeightBuffer(
                device, rows: configuration.n, columns: shape.hidden, experts: shape.experts,
                tileN: configuration.tileN, label: "gate and up of \(label)")
        var written = GroupedGEMM.Operands(
            rows: operands.rows, rowScales: operands.rowScales, counts: operands.counts, output: output,
            outputScales: outputScales)
        written.trace = trace
        switch configuration.output {
        case .swiGLU: swiGLU = nil
        case .sums:
            written.output = try device.allocate(
                bytes: shape.experts * shape.maxRows * configuration.n * 2, label: "gate and up sums of \(label)")
            let buffers = [operands.counts, written.output, output, outputScales]
            swiGLU = SeparateSwiGLU(
                kernel: try device.loadFitting(swiGLUKernel(shape)),
                arguments: trace + buffers.map { .address($0.address) }, operands: buffers)
        }
        gemm = try GroupedGEMM(device, configuration, weights, written, scratch)
        let (weights, operands) = (weights, written)
        arrivingGEMM = try arriving.map { arriving in
            var (configuration, operands) = (configuration, operands)
            configuration.arriving = arriving.window
            operands.ranks = arriving.arriving
            // The down GEMM begins with blocks that are done.
            configuration.signals = configuration.followedAfter != nil
            operands.signals = arriving.rowSignals
            return try GroupedGEMM(device, configuration, weights, operands, scratch)
        }
    }

    /// Uploads the weights of one expert.
    func write(_ own: ExpertWeights, of expert: Int) throws {
        if swiGLU == nil {
            try weights.write(gate: own.gate, up: own.up, of: expert)
        } else {
            try weights.write(gateAboveUp: own.gate, own.up, of: expert)
        }
    }

    /// Enqueues all of it, after the rows' receive or in its place.
    func enqueue(blocks: Int, arriving: Bool, on stream: DeviceStream) throws {
        try ((arriving ? arrivingGEMM : nil) ?? gemm).enqueue(blocks: blocks, on: stream)
        if let swiGLU {
            try device.launch(
                swiGLU.kernel, blocks: blocks, arguments: swiGLU.arguments, dependentLaunch: false, on: stream)
        }
    }
}
