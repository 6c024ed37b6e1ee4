import Accelerator
import ExpertKernels
import KernelLanguage

/// The first half of a set of experts: gate and up GEMM, SwiGLU, quantisation.
struct GateUp {
    private let device: any Device
    private let weights: WeightBuffer
    private let gemm: GroupedGEMM
    /// After the GEMM, where its tiles are too narrow for SwiGLU in its epilogue.
    private let swiGLU: SeparateSwiGLU?

    private struct SeparateSwiGLU {
        let kernel: LoadedKernel
        let arguments: [KernelArgument]
        /// What the arguments point at: BF16 `[experts, maxRows, 2 * intermediate]` and what the stack was given.
        let operands: [DeviceBuffer]
    }

    /// Allocates it; `write` uploads the weights.
    ///
    /// - Parameters:
    ///   - output: FP8 `[experts, maxRows, intermediate]`.
    ///   - outputScales: Float32 `[experts, intermediate / 128, scaleRows]`.
    init(
        _ device: any Device, _ shape: ExpertStack.Shape, _ operands: ExpertStack.Operands, output: DeviceBuffer,
        outputScales: DeviceBuffer, scratch: GEMMScratch, label: String
    ) throws {
        self.device = device
        let (n, experts) = (2 * shape.intermediate, shape.experts)
        let tileN = GEMMConfiguration.tileN(n: n, experts: experts, multiprocessors: scratch.gridSize)
        let fuses = tileN == GEMMConfiguration.maxTileN
        weights = try WeightBuffer(
            device, rows: n, columns: shape.hidden, experts: experts, tileN: tileN, label: "gate and up of \(label)")
        var written = GroupedGEMM.Operands(
            rows: operands.rows, rowScales: operands.rowScales, counts: operands.counts, output: output,
            outputScales: outputScales)
        if fuses {
            swiGLU = nil
        } else {
            written.output = try device.allocate(
                bytes: experts * shape.maxRows * n * 2, label: "gate and up sums of \(label)")
            let buffers = [operands.counts, written.output, output, outputScales]
            swiGLU = SeparateSwiGLU(
                kernel: try device.loadFitting(
                    swiGLUKernel(
                        intermediate: shape.intermediate, experts: experts, maxRows: shape.maxRows,
                        scaleRows: shape.scaleRows)),
                arguments: buffers.map { .address($0.address) }, operands: buffers)
        }
        gemm = try GroupedGEMM(
            device,
            GEMMConfiguration(
                n: n, k: shape.hidden, experts: experts, maxRows: shape.maxRows, scaleRows: shape.scaleRows,
                blockM: shape.blockM, tileN: tileN, output: fuses ? .swiGLU : .sums), weights, written, scratch)
    }

    /// Uploads the weights of one expert.
    func write(_ own: ExpertWeights, of expert: Int) throws {
        if swiGLU == nil {
            try weights.write(gate: own.gate, up: own.up, of: expert)
        } else {
            try weights.write(gateAboveUp: own.gate, own.up, of: expert)
        }
    }

    /// Enqueues all of it.
    func enqueue(blocks: Int, on stream: DeviceStream) throws {
        try gemm.enqueue(blocks: blocks, on: stream)
        if let swiGLU {
            try device.launch(
                swiGLU.kernel, blocks: blocks, arguments: swiGLU.arguments, dependentLaunch: false, on: stream)
        }
    }
}
