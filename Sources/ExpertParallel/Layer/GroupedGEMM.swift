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
    /// Arguments are bare addresses; this keeps what they point at.
    private let operands: [DeviceBuffer]

    /// What a grouped GEMM reads and writes; see `groupedGEMMKernel` for types and shapes.
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
        /// Needed where kernels are traced: the kernel's first arguments.
        package var trace: [KernelArgument] = []
        /// Needed with arriving rows, and where rows are sent home: the kernel's last arguments.
        package var ranks: [KernelArgument]?

        package init(
            rows: DeviceBuffer, rowScales: DeviceBuffer, counts: DeviceBuffer, output: DeviceBuffer,
            outputScales: DeviceBuffer? = nil, signals: DeviceBuffer? = nil, ranks: [KernelArgument]? = nil
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
        precondition(configuration.tileN == weights.tileN, "the weights are packed for other tiles")
        precondition(
            !(configuration.signals || configuration.home != nil) || operands.signals != nil, "signals need memory")
        precondition(configuration.output == .sums || operands.outputScales != nil, "quantised rows need scales")
        precondition(configuration.communicates == (operands.ranks != nil), "other ranks need their windows")
        self.device = device
        dependent = configuration.dependent
        maxGrid = scratch.gridSize
        // A kernel reads no parameter that it has no use for.
        let outputScales = operands.outputScales ?? operands.counts
        let signals = operands.signals ?? operands.counts
        self.operands = [
            weights.values, weights.scales, operands.rows, operands.rowScales, operands.counts, operands.output,
            outputScales, signals, scratch.sums, scratch.flags, scratch.faultRecord,
        ]
        kernel = try device.loadFitting(groupedGEMMKernel(configuration))
        // Experts are a dimension of their own: the next one's rows, which may be on their way, are not loaded.
        let rowMap = TensorMap(
            address: operands.rows.address, element: .float8E4M3,
            dimensions: [configuration.k, configuration.maxRows, configuration.experts],
            strides: [configuration.k, configuration.maxRows * configuration.k],
            box: [GEMMConfiguration.blockK, GEMMConfiguration.rowBox, 1], swizzle: .bytes128)
        arguments =
            operands.trace + [
                .address(weights.values.address), .tensorMap(rowMap),
                .address(weights.scales.address), .address(operands.rowScales.address),
                .address(operands.counts.address), .address(operands.output.address), .address(outputScales.address),
                .address(signals.address), .address(scratch.sums.address), .address(scratch.flags.address),
                .address(scratch.faultRecord.address), .uint64(scratch.waitNanoseconds),
            ] + (operands.ranks ?? [])
            + (configuration.follows == nil ? [] : operands.rowSignals.map { [.address($0.address)] } ?? [])
    }

    /// Enqueues the GEMM on a persistent grid of `blocks` blocks, one to a multiprocessor. A dependent one comes right after
    /// the kernel that it depends on.
    package func enqueue(blocks: Int, on stream: DeviceStream) throws {
        precondition(blocks <= maxGrid, "the scratch memory is for smaller grids")
        try device.launch(kernel, blocks: blocks, arguments: arguments, dependentLaunch: dependent, on: stream)
    }
}
