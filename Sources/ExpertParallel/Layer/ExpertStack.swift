import Accelerator
import ExpertKernels
import KernelLanguage

/// A set of experts on one rank and their two GEMMs, SwiGLU in the first: the rank's routed experts, or the shared one.
final class ExpertStack {
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

    /// Where rows come from, if the first GEMM may wait for them by itself.
    struct Arriving {
        let window: RankWindow
        let arguments: [KernelArgument]
    }

    let shape: ExpertShape
    private let device: any Device
    let operands: Operands
    private let gateUp: GateUp
    private let down: GroupedGEMM
    private let downWithSignals: GroupedGEMM?
    /// FP8 `[experts, maxRows, intermediate]`.
    let activated: DeviceBuffer
    /// Float32 `[experts, intermediate / 128, scaleRows]`.
    let activatedScales: DeviceBuffer

    /// Allocates the stack and uploads its weights, one expert at a time.
    ///
    /// - Parameters:
    ///   - scratch: Used by nothing else that may run at the same time.
    ///   - signals: Where the overlapped down GEMM raises its signals; nil if it is never overlapped.
    ///   - weights: Weights of local expert `e`.
    init(
        _ device: any Device, _ shape: ExpertShape, _ operands: Operands, arriving: Arriving? = nil, label: String,
        scratch: GEMMScratch, signals: DeviceBuffer?, droppedSignal: GEMMConfiguration.BlockID? = nil, weights: (Int) throws -> ExpertWeights
    ) throws {
        self.device = device
        self.shape = shape
        self.operands = operands
        let (hidden, intermediate, experts) = (shape.hidden, shape.intermediate, shape.experts)
        activated = try device.allocate(bytes: experts * shape.maxRows * intermediate, label: "activation of \(label)")
        activatedScales = try device.allocate(
            bytes: experts * intermediate / 128 * shape.scaleRows * 4, label: "activation scales of \(label)")
        let plainDown = shape.down(multiprocessors: scratch.gridSize)
        gateUp = try GateUp(
            device, shape, operands, output: activated, outputScales: activatedScales, arriving: arriving,
            scratch: scratch, label: label)
        let downWeights = try WeightBuffer(
            device, rows: hidden, columns: intermediate, experts: experts, tileN: plainDown.tileN,
            label: "down of \(label)")
        for expert in 0..<experts {
            let own = try weights(expert)
            try gateUp.write(own, of: expert)
            try downWeights.write(own.down, of: expert, name: "down")
        }

        let (activated, activatedScales) = (activated, activatedScales)
        func downGEMM(signals: DeviceBuffer?) throws -> GroupedGEMM {
            var down = plainDown
            down.signals = signals != nil
            down.droppedSignal = signals != nil ? droppedSignal : nil
            return try GroupedGEMM(
                device, down, downWeights,
                GroupedGEMM.Operands(
                    rows: activated, rowScales: activatedScales, counts: operands.counts, output: operands.output,
                    signals: signals), scratch)
        }
        down = try downGEMM(signals: nil)
        signalThreshold = plainDown.tilesAcross
        downWithSignals = try signals.map { try downGEMM(signals: $0) }
    }

    /// Value of a block's signal once the overlapped down GEMM has finished it.
    let signalThreshold: Int

    /// Puts scales of rows that no step has written into a readable state.
    func reset(on stream: DeviceStream) throws { try device.fill(activatedScales, with: 0, on: stream) }

    /// Enqueues the gate and up GEMM with the activation, after the rows' receive or in its place.
    func enqueueUp(blocks: Int, arriving: Bool = false, on stream: DeviceStream) throws {
        try gateUp.enqueue(blocks: blocks, arriving: arriving, on: stream)
    }

    /// Enqueues the down GEMM, raising signals if asked to.
    func enqueueDown(blocks: Int, signals: Bool = false, on stream: DeviceStream) throws {
        try ((signals ? downWithSignals : nil) ?? down).enqueue(blocks: blocks, on: stream)
    }
}
