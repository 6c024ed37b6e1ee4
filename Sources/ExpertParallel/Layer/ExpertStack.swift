import Accelerator
import ExpertKernels
import KernelLanguage

/// A set of experts on one rank and the two GEMMs with SwiGLU between them: the rank's routed experts, or the shared one.
final class ExpertStack {
    /// Sizes of a stack.
    struct Shape {
        var hidden: Int
        var intermediate: Int
        var experts: Int
        var maxRows: Int
        var scaleRows: Int
        var blockM: Int
    }

    /// What the stack reads and writes.
    struct Operands {
        /// FP8 `[experts, maxRows, hidden]`.
        var rows: DeviceBuffer
        /// Float32 `[experts, hidden / 128, scaleRows]`.
        var rowScales: DeviceBuffer
        /// UInt32 `[experts]`.
        var counts: DeviceBuffer
        /// BF16 `[experts, maxRows, hidden]`.
        var output: DeviceBuffer
    }

    let shape: Shape
    private let device: any Device
    let operands: Operands
    private let gateUp: GroupedGEMM
    private let down: GroupedGEMM
    private let downWithSignals: GroupedGEMM?
    private let swiGLU: LoadedKernel
    /// BF16 `[experts, maxRows, 2 * intermediate]`.
    private let gateUpOutput: DeviceBuffer
    /// FP8 `[experts, maxRows, intermediate]`.
    let activated: DeviceBuffer
    /// Float32 `[experts, intermediate / 128, scaleRows]`.
    let activatedScales: DeviceBuffer

    /// Allocates the stack and uploads its weights, one expert at a time.
    ///
    /// - Parameters:
    ///   - signals: Where the overlapped down GEMM raises its signals; nil if it is never overlapped.
    ///   - weights: Weights of local expert `e`.
    init(
        _ device: any Device, _ shape: Shape, _ operands: Operands, label: String, signals: DeviceBuffer?,
        droppedSignal: GEMMConfiguration.BlockID? = nil, weights: (Int) throws -> ExpertWeights
    ) throws {
        self.device = device
        self.shape = shape
        self.operands = operands
        let (hidden, intermediate, experts) = (shape.hidden, shape.intermediate, shape.experts)
        gateUpOutput = try device.allocate(
            bytes: experts * shape.maxRows * 2 * intermediate * 2, label: "gate and up of \(label)")
        activated = try device.allocate(bytes: experts * shape.maxRows * intermediate, label: "activation of \(label)")
        activatedScales = try device.allocate(
            bytes: experts * intermediate / 128 * shape.scaleRows * 4, label: "activation scales of \(label)")
        swiGLU = try device.loadFitting(
            swiGLUKernel(
                intermediate: intermediate, experts: experts, maxRows: shape.maxRows, scaleRows: shape.scaleRows))

        let gateUpWeights = try WeightBuffer(
            device, rows: 2 * intermediate, columns: hidden, experts: experts, label: "gate and up of \(label)")
        let downWeights = try WeightBuffer(
            device, rows: hidden, columns: intermediate, experts: experts, label: "down of \(label)")
        for expert in 0..<experts {
            let own = try weights(expert)
            try gateUpWeights.write(own.gate, of: expert, part: 0, parts: 2, name: "gate")
            try gateUpWeights.write(own.up, of: expert, part: 1, parts: 2, name: "up")
            try downWeights.write(own.down, of: expert, part: 0, parts: 1, name: "down")
        }

        func configuration(_ n: Int, _ k: Int, signals: Bool) -> GEMMConfiguration {
            GEMMConfiguration(
                n: n, k: k, experts: experts, maxRows: shape.maxRows, scaleRows: shape.scaleRows,
                blockM: shape.blockM, signals: signals, droppedSignal: signals ? droppedSignal : nil)
        }
        let (activated, activatedScales) = (activated, activatedScales)
        func downGEMM(signals: DeviceBuffer?) throws -> GroupedGEMM {
            try GroupedGEMM(
                device, configuration(hidden, intermediate, signals: signals != nil), downWeights, rows: activated,
                rowScales: activatedScales, counts: operands.counts, output: operands.output, signals: signals)
        }
        gateUp = try GroupedGEMM(
            device, configuration(2 * intermediate, hidden, signals: false), gateUpWeights, rows: operands.rows,
            rowScales: operands.rowScales, counts: operands.counts, output: gateUpOutput, signals: nil)
        down = try downGEMM(signals: nil)
        downWithSignals = try signals.map { try downGEMM(signals: $0) }
    }

    /// Value of a block's signal once the overlapped down GEMM has finished it.
    var signalThreshold: Int { shape.hidden / GEMMConfiguration.blockN }

    /// Puts scales of rows that no step has written into a readable state.
    func reset(on stream: DeviceStream) throws { try device.fill(activatedScales, with: 0, on: stream) }

    /// Enqueues gate and up GEMM and the activation.
    func enqueueUp(blocks: Int, on stream: DeviceStream) throws {
        try gateUp.enqueue(blocks: blocks, on: stream)
        try device.launch(
            swiGLU, blocks: blocks,
            arguments: [
                .address(operands.counts.address), .address(gateUpOutput.address), .address(activated.address),
                .address(activatedScales.address),
            ], dependentLaunch: false, on: stream)
    }

    /// Enqueues the down GEMM, raising signals if asked to.
    func enqueueDown(blocks: Int, signals: Bool = false, on stream: DeviceStream) throws {
        try ((signals ? downWithSignals : nil) ?? down).enqueue(blocks: blocks, on: stream)
    }
}
