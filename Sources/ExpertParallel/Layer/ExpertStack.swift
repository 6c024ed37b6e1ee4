import Accelerator
import ExpertKernels
import KernelLanguage

/// A set of experts on one rank and their two GEMMs, SwiGLU in the first: the rank's routed experts, or the shared one.
final class ExpertStack {
    /// The buffers that the stack reads and writes.
    struct Operands {
        /// FP8 `[experts, maxRows, paddedHidden]`.
        var rows: DeviceBuffer
        /// Float32 `[experts, hiddenGroups, scaleRows]`.
        var rowScales: DeviceBuffer
        /// UInt32 `[experts]`.
        var counts: DeviceBuffer
        /// BF16 `[experts, maxRows, paddedHidden]`.
        var output: DeviceBuffer
    }

    /// The source of a stack's weights.
    enum WeightSource {
        /// From the host: weights of expert `e` of the rank.
        case upload((Int) throws -> ExpertWeights)
        /// From the device.
        case device(LayerWeights)
        /// Another stack's weights.
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
    /// FP8 `[experts, maxRows, paddedIntermediate]`.
    let activated: DeviceBuffer
    /// Float32 `[experts, paddedIntermediate / 128, scaleRows]`.
    let activatedScales: DeviceBuffer

    /// Allocates the stack of a rank's experts and uploads its weights, one expert at a time.
    ///
    /// - Parameters:
    ///   - exchange: Where rows come from.
    ///   - memory: Where results go, and the GEMMs' scratch memory.
    ///   - overlaps: Whether its GEMMs may wait for rows, raise signals and send rows home themselves.
    ///   - droppedSignal: Test hook, see `GEMMConfiguration.droppedSignal`.
    ///   - source: Where the weights come from.
    init(
        _ exchange: TokenExchange, _ memory: ExpertMemory, overlaps: Bool, droppedSignal: RowBlock? = nil,
        weights source: WeightSource
    ) throws {
        let device = exchange.device
        let shape = exchange.configuration.experts
        let label = exchange.label
        let operands = Operands(
            rows: exchange.rows.buffer, rowScales: exchange.rowScales.buffer, counts: exchange.receivedCount.buffer,
            output: memory.output.buffer)
        (self.device, self.shape, self.operands) = (device, shape, operands)
        let (hidden, intermediate, experts) = (shape.hidden, shape.intermediate, shape.experts)
        activated = try device.allocate(bytes: experts * shape.maxRows * intermediate, label: "activation of \(label)")
        activatedScales = try device.allocate(
            bytes: experts * intermediate / 128 * shape.scaleRows * 4, label: "activation scales of \(label)")
        let plainDown = shape.down(multiprocessors: memory.scratch.gateUp.gridSize)
        let (activated, activatedScales) = (activated, activatedScales)
        let kernels = try KernelBuilder.$isTracing.withValue(exchange.configuration.traced) {
            let gateUp = try GateUp(
                device, shape, operands, output: activated, outputScales: activatedScales,
                weights: source.stack?.gateUp.weights, exchange: exchange, scratch: memory.scratch.gateUp,
                overlaps: overlaps, label: label)
            let downWeights =
                try source.stack?.downWeights
                ?? WeightBuffer(
                    device, rows: hidden, columns: intermediate, experts: experts, tileN: plainDown.tile.n,
                    channelScales: shape.channelScales, label: "down of \(label)")
            func downGEMM(_ gemm: ExpertGEMM) throws -> GroupedGEMM {
                var configuration = shape.configuration(
                    gemm, window: exchange.configuration.window, multiprocessors: memory.scratch.gateUp.gridSize)
                configuration.droppedSignal = droppedSignal
                var written = GroupedGEMM.Operands(
                    rows: activated, rowScales: activatedScales, counts: operands.counts, output: operands.output,
                    signals: overlaps ? exchange.signals.buffer : nil)
                written.trace = exchange.records.traceParameters(.down)
                if configuration.masks { written.masks = exchange.records.masks?.parameters }
                if gemm == .homeDown { written.ranks = exchange.home }
                written.rowSignals = configuration.role.rowsAfter == nil ? nil : exchange.rowSignals.buffer
                return try GroupedGEMM(device, configuration, downWeights, written, memory.scratch.down)
            }
            return (
                gateUp: gateUp, downWeights: downWeights, down: try downGEMM(.down),
                downWithSignals: try overlaps ? downGEMM(.signallingDown) : nil,
                downToHome: try overlaps && ExpertGEMM.all(for: exchange.configuration.window).contains(.homeDown)
                    ? downGEMM(.homeDown) : nil
            )
        }
        (gateUp, downWeights, down) = (kernels.gateUp, kernels.downWeights, kernels.down)
        (downWithSignals, downToHome) = (kernels.downWithSignals, kernels.downToHome)
        signalThreshold = plainDown.tilesAcross
        switch source {
        case .upload(let weights):
            let layer = exchange.configuration.shape
            for expert in 0..<experts {
                let own = try weights(expert)
                    .padded(layer, isShared: expert < layer.sharedExperts, number: expert)
                try gateUp.write(own, of: expert)
                try downWeights.write(own.down, of: expert, name: "down")
            }
        case .device(let weights):
            let stream = exchange.streams.compute
            for part in weights.parts(exchange.configuration.shape) {
                try gateUp.pack(gate: part.gate, up: part.up, of: part.experts, on: stream)
                try downWeights.pack(part.down, of: part.experts, on: stream)
            }
        case .share: break
        }
    }

    /// Value of a block's signal once the overlapped down GEMM has finished it.
    let signalThreshold: Int

    /// Sets all activation scales to 0: GEMMs also load those of rows that no step has written.
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
