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

    /// How the launches begin where kernels are traced, see `Rank.traceArguments`.
    struct Traces {
        var gateUp: [KernelArgument] = []
        var down: [KernelArgument] = []
    }

    /// Where rows come from and go to, if GEMMs may deal with other ranks by themselves.
    struct Ranks {
        let window: RankWindow
        /// Arguments of a GEMM whose rows arrive while it runs.
        let arriving: [KernelArgument]
        /// Arguments of a GEMM that sends its rows home.
        let home: [KernelArgument]
        /// Raised by gate and up for the down GEMM.
        let rowSignals: DeviceBuffer
    }

    /// Where a stack's weights come from.
    enum WeightSource {
        /// From the host: weights of expert `e` of the rank.
        case upload((Int) throws -> ExpertWeights)
        /// They are another stack's.
        case share(ExpertStack)

        fileprivate var stack: ExpertStack? {
            if case .share(let stack) = self { stack } else { nil }
        }
    }

    let shape: ExpertShape
    private let device: any Device
    let operands: Operands
    private let gateUp: GateUp
    private let downWeights: WeightBuffer
    private let down: GroupedGEMM
    private let downWithSignals: GroupedGEMM?
    private let downToHome: GroupedGEMM?
    /// FP8 `[experts, maxRows, intermediate]`.
    let activated: DeviceBuffer
    /// Float32 `[experts, intermediate / 128, scaleRows]`.
    let activatedScales: DeviceBuffer

    /// Allocates the stack and uploads its weights, one expert at a time.
    ///
    /// - Parameters:
    ///   - scratch: Used by nothing else that may run at the same time.
    ///   - signals: Where the overlapped down GEMM raises its signals; nil if it is never overlapped.
    ///   - source: Where the weights come from.
    init(
        _ device: any Device, _ shape: ExpertShape, _ operands: Operands, ranks: Ranks? = nil, traces: Traces,
        label: String, scratch: (gateUp: GEMMScratch, down: GEMMScratch), signals: DeviceBuffer?,
        droppedSignal: GEMMConfiguration.BlockID? = nil, weights source: WeightSource
    ) throws {
        self.device = device
        self.shape = shape
        self.operands = operands
        let (hidden, intermediate, experts) = (shape.hidden, shape.intermediate, shape.experts)
        activated = try device.allocate(bytes: experts * shape.maxRows * intermediate, label: "activation of \(label)")
        activatedScales = try device.allocate(
            bytes: experts * intermediate / 128 * shape.scaleRows * 4, label: "activation scales of \(label)")
        let plainDown = shape.down(multiprocessors: scratch.gateUp.gridSize)
        gateUp = try GateUp(
            device, shape, operands, output: activated, outputScales: activatedScales,
            weights: source.stack?.gateUp.weights, arriving: ranks, trace: traces.gateUp, scratch: scratch.gateUp,
            label: label
        )
        let downWeights =
            try source.stack?.downWeights
            ?? WeightBuffer(
                device, rows: hidden, columns: intermediate, experts: experts, tileN: plainDown.tileN,
                label: "down of \(label)")
        self.downWeights = downWeights
        if case .upload(let weights) = source {
            for expert in 0..<experts {
                let own = try weights(expert)
                try gateUp.write(own, of: expert)
                try downWeights.write(own.down, of: expert, name: "down")
            }
        }

        let (activated, activatedScales) = (activated, activatedScales)
        func downGEMM(_ configuration: GEMMConfiguration, home: [KernelArgument]? = nil) throws -> GroupedGEMM {
            var configuration = configuration
            configuration.droppedSignal = configuration.signals || home != nil ? droppedSignal : nil
            var written = GroupedGEMM.Operands(
                rows: activated, rowScales: activatedScales, counts: operands.counts, output: operands.output,
                signals: signals, ranks: home)
            written.trace = traces.down
            written.rowSignals = configuration.follows == nil ? nil : ranks?.rowSignals
            return try GroupedGEMM(device, configuration, downWeights, written, scratch.down)
        }
        down = try downGEMM(plainDown)
        var (signalling, sending) = (plainDown, plainDown)
        (signalling.signals, signalling.follows) = (true, ranks == nil ? nil : gateUp.followedAfter)
        downWithSignals = try signals.map { _ in try downGEMM(signalling) }
        (sending.home, sending.follows) = (ranks?.window, gateUp.followedAfter)
        downToHome = try ranks.map { try downGEMM(sending, home: $0.home) }
        signalThreshold = plainDown.tilesAcross
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

    /// Enqueues the down GEMM that sends its rows home.
    func enqueueDownToHome(blocks: Int, on stream: DeviceStream) throws {
        try downToHome?.enqueue(blocks: blocks, on: stream)
    }
}
