import Accelerator
import ExpertKernels
import KernelLanguage

/// A grouped GEMM for an engine: each call has its own rows, counts, output and stream.
package final class MaskedGEMM {
    /// What the epilogue stores.
    package enum Output: Hashable, Sendable {
        /// The sums in BF16. With `signals`, each finished tile adds one to the signal of its row block.
        case bfloat16(signals: Bool)
        /// `silu(gate) * up` in FP8.
        case swiGLU
    }

    /// Addresses of what a call reads and writes; see `GEMMParameters` for types and shapes.
    package struct Operands: Hashable, Sendable {
        /// A multiple of 16.
        package var rows: UInt64
        package var rowScales: UInt64
        package var counts: UInt64
        /// A multiple of 16.
        package var output: UInt64
        /// With SwiGLU.
        package var outputScales: UInt64?
        /// With signals.
        package var signals: UInt64?

        /// Operands as given.
        package init(
            rows: UInt64, rowScales: UInt64, counts: UInt64, output: UInt64, outputScales: UInt64? = nil,
            signals: UInt64? = nil
        ) {
            self.rows = rows
            self.rowScales = rowScales
            self.counts = counts
            self.output = output
            self.outputScales = outputScales
            self.signals = signals
        }
    }

    private let configuration: GEMMConfiguration
    private let output: Output
    private let weights: WeightBuffer
    private let scratch: StreamScratch
    private let kernel: LoadedKernel
    /// Launch arguments by stream, each with its scratch memory.
    private var arguments: [UInt: LaunchArguments] = [:]

    /// Prepares it.
    ///
    /// - Parameters:
    ///   - weights: Packed for tiles of `TileShape.maxN` channels with SwiGLU, gate and up in turns.
    ///   - experts: Number of experts in `weights`.
    ///   - maxRows: Room for rows of each expert, 1 to `mostRows`.
    ///   - scaleRows: Rows of scale arrays, a multiple of 4 with room for all row blocks; `LayerShape.scaleRows` when
    ///     nil.
    ///   - scales: Format of the quantised output's scales; not `.exponents`.
    ///   - blockM: Rows of a tile and of a signal: one of `TileShape.heights`.
    /// - Throws: `ShapeError`, `GroupError.blockHeight`, `GroupError.kernelDoesNotFit`, `DeviceError`.
    package init(
        _ weights: WeightBuffer, experts: Int, maxRows: Int, scaleRows: Int? = nil, blockM: Int, output: Output,
        scales: ScaleFormat = .float32, scratch: StreamScratch
    ) throws {
        guard (1...Self.mostRows).contains(maxRows) else {
            throw ShapeError(name: "rows of an expert", value: maxRows, range: 1...Self.mostRows, step: 1)
        }
        guard TileShape.heights.contains(blockM) else { throw GroupError.blockHeight(blockM) }
        let problem = GEMMProblem(
            n: weights.rows, k: weights.columns, experts: experts, maxRows: maxRows, scaleRows: scaleRows)
        let least = (maxRows + blockM - 1) / blockM * blockM
        guard (least...2 * Self.mostRows).contains(problem.scaleRows), problem.scaleRows % 4 == 0 else {
            throw ShapeError(
                name: "rows of scales", value: problem.scaleRows, range: least...2 * Self.mostRows, step: 4)
        }
        let tile = TileShape(m: blockM, n: weights.tileN)
        let role: GEMMRole =
            switch output {
            case .bfloat16(let signals): .plain(.bfloat16, launch: .alone, signals: signals)
            case .swiGLU: .plain(.swiGLU, launch: .alone)
            }
        // The next GEMM reads Float32 scales.
        guard scales != .exponents else { throw GroupError.scaleFormatUnsupported(scales) }
        var configuration = GEMMConfiguration(problem, tile: tile, role: role)
        configuration.scaleFormat = scales
        self.configuration = configuration
        (self.weights, self.output, self.scratch) = (weights, output, scratch)
        try scratch.fill()
        kernel = try scratch.device.loadFitting(groupedGEMMKernel(configuration))
    }

    /// Most rows of an expert: as many as the largest group of ranks has.
    package static let mostRows = 1 << 20

    /// Adds after which a row block's signal is complete.
    package var signalThreshold: Int { configuration.tilesAcross }
    /// Signals of each expert.
    package var rowBlocks: Int { configuration.rowBlocks }

    /// Enqueues the GEMM.
    ///
    /// - Parameter multiprocessors: Number of thread blocks, one to a multiprocessor; all when nil.
    /// - Throws: `GroupError.misaligned`, `.missingOperand`, `.multiprocessors`; nothing is enqueued then.
    package func enqueue(_ operands: Operands, multiprocessors: Int? = nil, on stream: DeviceStream) throws {
        let most = scratch.gridSize
        let blocks = multiprocessors ?? most
        guard (1...most).contains(blocks) else { throw GroupError.multiprocessors(blocks, most: most) }
        try requireAddress("the rows", operands.rows, 16)
        try requireAddress("the row scales", operands.rowScales, 16)
        try requireAddress("the counts", operands.counts, 4)
        try requireAddress("the output", operands.output, 16)
        let outputScales: UInt64
        let signals: UInt64
        switch output {
        case .bfloat16(let raises):
            outputScales = operands.counts
            signals = raises ? operands.signals ?? 0 : operands.counts
            if raises { try requireAddress("the signals", signals, 4) }
        case .swiGLU:
            outputScales = operands.outputScales ?? 0
            try requireAddress("the output scales", outputScales, 4)
            signals = operands.counts
        }
        let problem = configuration.problem
        let map = TensorMap(
            address: operands.rows, element: .float8E4M3, dimensions: [problem.k, problem.maxRows, problem.experts],
            strides: [problem.k, problem.maxRows * problem.k], box: [TileShape.k, TileShape.rowBox, 1],
            swizzle: .bytes128)
        let known = try arguments[stream.handle] ?? gather(map, stream)
        try scratch.device.launch(
            kernel, blocks: blocks,
            arguments: known.changing([
                ("rows", .tensorMap(map)), ("rowScales", .address(operands.rowScales)),
                ("counts", .address(operands.counts)), ("output", .address(operands.output)),
                ("outputScales", .address(outputScales)), ("signals", .address(signals)),
            ]), dependentLaunch: false, on: stream)
    }

    private func gather(_ map: TensorMap, _ stream: DeviceStream) throws -> LaunchArguments {
        let scratch = try scratch.scratch(of: stream)
        let unset: UInt64 = 0
        let made = try LaunchArguments(
            [
                GEMMParameters(
                    weights: MemoryParameter(address: weights.values.address), rows: TensorParameter(map),
                    weightScales: MemoryParameter(address: weights.scales.address),
                    rowScales: MemoryParameter(address: unset), counts: MemoryParameter(address: unset),
                    output: MemoryParameter(address: unset), outputScales: MemoryParameter(address: unset),
                    signals: MemoryParameter(address: unset), partials: scratch.parameters,
                    watchdog: scratch.watchdog)
            ], for: kernel.kernel)
        arguments[stream.handle] = made
        return made
    }
}
