import Accelerator
import ExpertKernels
import KernelLanguage

/// A grouped GEMM ready to launch: kernel, tensor maps and operands.
package struct GroupedGEMM {
    private let device: any Device
    private let kernel: LoadedKernel
    private let arguments: [KernelArgument]
    private let dependent: Bool
    private let maxGrid: Int
    /// Arguments are bare addresses; this keeps their buffers alive.
    private let operands: [DeviceBuffer]

    /// The buffers that a grouped GEMM reads and writes; see `GEMMParameters` for types and shapes.
    package struct Operands {
        package var rows: DeviceBuffer
        package var rowScales: DeviceBuffer
        package var counts: DeviceBuffer
        package var output: DeviceBuffer
        /// Needed with SwiGLU.
        package var outputScales: DeviceBuffer?
        /// Needed with signals.
        package var signals: DeviceBuffer?
        /// Needed by a GEMM that follows a running one: its signals.
        package var rowSignals: DeviceBuffer?
        /// Needed where kernels are traced.
        package var trace: TraceParameters?
        /// Needed where its configuration has masks.
        package var masks: MaskParameters?
        /// Whether the kernel before writes the counts, so that the launch has to wait for its end.
        package var countsAreOfKernelBefore = false
        /// Needed with arriving rows, and where rows are sent home: `ArrivingParameters`, or `HomeParameters` and with
        /// links `LinkParameters`.
        package var ranks: [any KernelParameters]

        package init(
            rows: DeviceBuffer, rowScales: DeviceBuffer, counts: DeviceBuffer, output: DeviceBuffer,
            outputScales: DeviceBuffer? = nil, signals: DeviceBuffer? = nil,
            ranks: [any KernelParameters] = []
        ) {
            self.rows = rows
            self.rowScales = rowScales
            self.counts = counts
            self.output = output
            self.outputScales = outputScales
            self.signals = signals
            self.ranks = ranks
        }
    }

    package init(
        _ device: any Device, _ configuration: GEMMConfiguration, _ weights: WeightBuffer, _ operands: Operands,
        _ scratch: GEMMScratch
    ) throws {
        precondition(configuration.tile.n == weights.tileN, "the weights are packed for other tiles")
        precondition(
            !configuration.role.countsTiles || operands.signals != nil, "signals need memory")
        precondition(
            configuration.role.output == .bfloat16 || operands.outputScales != nil, "quantised rows need scales")
        precondition(configuration.role.communicates != operands.ranks.isEmpty, "other ranks need their windows")
        precondition(configuration.channelScales == (weights.channelScales != nil), "scales of channels need memory")
        self.device = device
        dependent = configuration.role.isDependent && !operands.countsAreOfKernelBefore
        maxGrid = scratch.gridSize
        // A kernel reads no parameter that it has no use for.
        let outputScales = operands.outputScales ?? operands.counts
        let signals = operands.signals ?? operands.counts
        let always = [
            weights.values, weights.scales, operands.rows, operands.rowScales, operands.counts, operands.output,
            outputScales, signals, scratch.partials, scratch.flags, scratch.faultRecord,
        ]
        self.operands = always + (weights.channelScales.map { [$0] } ?? [])
        let kernel = try groupedGEMMKernel(configuration)
        self.kernel = try device.loadFitting(kernel)
        // Experts are a dimension of their own: the next one's rows, which may be on their way, are not loaded.
        let problem = configuration.problem
        let rowMap = TensorMap(
            address: operands.rows.address, element: .float8E4M3,
            dimensions: [problem.k, problem.maxRows, problem.experts],
            strides: [problem.k, problem.maxRows * problem.k],
            box: [TileShape.k, TileShape.rowBox, 1], swizzle: .bytes128)
        let own = GEMMParameters(
            weights: MemoryParameter(address: weights.values.address), rows: TensorParameter(rowMap),
            weightScales: MemoryParameter(address: weights.scales.address),
            rowScales: MemoryParameter(address: operands.rowScales.address),
            counts: MemoryParameter(address: operands.counts.address),
            output: MemoryParameter(address: operands.output.address),
            outputScales: MemoryParameter(address: outputScales.address),
            signals: MemoryParameter(address: signals.address), partials: scratch.parameters,
            watchdog: scratch.watchdog)
        precondition(configuration.masks == (operands.masks != nil), "masks need memory")
        var packs: [(any KernelParameters)?] = [operands.trace, own] + operands.ranks
        packs.append(operands.masks)
        packs.append(
            weights.channelScales.map { ChannelScaleParameters(channelScales: MemoryParameter(address: $0.address)) })
        if configuration.role.rowsAfter != nil, let rowSignals = operands.rowSignals {
            packs.append(RowSignalParameters(rowSignals: MemoryParameter(address: rowSignals.address)))
        }
        arguments = try KernelArguments(packs).ordered(for: kernel)
    }

    /// Enqueues the GEMM on a persistent grid of `blocks` thread blocks, one to a multiprocessor. A dependent one must
    /// come right after the kernel that it depends on.
    package func enqueue(blocks: Int, on stream: DeviceStream) throws {
        precondition(blocks <= maxGrid, "the scratch memory is for smaller grids")
        try device.launch(kernel, blocks: blocks, arguments: arguments, dependentLaunch: dependent, on: stream)
    }
}
