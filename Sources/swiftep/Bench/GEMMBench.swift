import Accelerator
import ExpertKernels
import ExpertParallel
import KernelLanguage

/// Times the grouped GEMM for several numbers of tokens.
struct GEMMBench {
    private let device: any Device
    private let stream: DeviceStream
    private let timer: GraphTimer
    private let experts: Int
    private let n: Int
    private let k: Int
    private let multiprocessors: Int
    private let output: GEMMOutput
    private let signals: Bool
    private let dependent: Bool
    /// Sets of weights, see `WeightSets`.
    private let weights: [WeightBuffer]

    /// Makes the weights. `n` and `k` are multiples of 128, `n` of 256 with SwiGLU, and there are as many
    /// multiprocessors.
    init(
        _ device: any Device, experts: Int, n: Int, k: Int, multiprocessors: Int?, output: GEMMOutput,
        signals: Bool, dependent: Bool
    ) throws {
        self.device = device
        self.experts = experts
        self.n = n
        self.k = k
        self.output = output
        self.signals = signals
        self.dependent = dependent
        self.multiprocessors = multiprocessors ?? device.properties.multiprocessors
        stream = try device.makeStream(label: "bench")
        let bytes = experts * n * k
        let sets = WeightSets.count(
            read: bytes, allocated: bytes, l2Bytes: device.properties.l2Bytes,
            memoryBytes: device.properties.memoryBytes)
        timer = GraphTimer(device.properties.kind, sets: sets)
        Console.progress("making \(sets) sets of weights")
        let packed = PackedWeights(try Self.randomMatrix(rows: n, columns: k))
        weights = try (0..<sets).map { set in
            let buffer = try WeightBuffer(device, rows: n, columns: k, experts: experts, label: "set \(set)")
            for expert in 0..<experts {
                try buffer.write(packed, of: expert)
            }
            return buffer
        }
    }

    private static func randomMatrix(rows: Int, columns: Int) throws -> QuantisedMatrix {
        var random = RandomStream(seed: 1, name: "weights")
        let values = GaussianFloat8Table().codes(rows * columns, from: &random)
        let scales = [Float](repeating: 1e-4, count: (rows / 128) * (columns / 128))
        return try QuantisedMatrix(rows: rows, columns: columns, values: values, scales: scales)
    }

    /// Measures every number of tokens, and the floor.
    func run(tokens: [Int]) throws -> GEMMReport {
        var report = GEMMReport(
            device.properties,
            .init(
                experts: experts, n: n, k: k, gemmMultiprocessors: multiprocessors, swiGLU: output == .swiGLU,
                signals: signals, dependent: dependent, weightSets: weights.count,
                floorMicroseconds: try measureFloor()))
        for rows in tokens {
            Console.progress("\(rows) tokens")
            let configuration = configuration(rows: rows)
            for part in configuration.parts { Console.progress("  \(part.name): \(part.text)") }
            let (times, setAside) = try measure(configuration)
            report.add(
                tokens: rows, configuration: configuration, setAsideL2Bytes: setAside, nanoseconds: times,
                floorWithOutput: try measureFloor(bytesReadPerByteWritten: weightsPerOutput(rows: rows)))
        }
        return report
    }

    /// Microseconds of a kernel that only reads the weights, and writes one byte for every `bytesReadPerByteWritten` if
    /// that is given.
    private func measureFloor(bytesReadPerByteWritten every: Int? = nil) throws -> Double {
        let kernel = try device.load(streamKernel(every == nil ? .read : .copy))
        let chunks = max(1, experts * n * k / streamChunkBytes)
        let written = try every.map {
            let stored = storedChunks(of: chunks, every: $0, gridSize: device.properties.multiprocessors)
            return try device.allocate(bytes: stored.count * streamChunkBytes, label: "floor's output")
        }
        let times = try timer.measure(device, on: stream) { launch in
            var arguments = [KernelArgument.address(weights[launch % weights.count].values.address)]
            if let written { arguments.append(.address(written.address)) }
            arguments.append(.uint32(UInt32(chunks)))
            if let every { arguments.append(.uint32(UInt32(every))) }
            try device.launch(
                kernel, blocks: device.properties.multiprocessors, arguments: arguments, dependentLaunch: false,
                on: stream)
        }
        return (median(times) ?? 0) / 1e3
    }

    /// Bytes of weights for each byte of output.
    private func weightsPerOutput(rows: Int) -> Int {
        max(1, output == .swiGLU ? 2 * k / rows : k / (2 * rows))
    }

    private func configuration(rows: Int) -> GEMMConfiguration {
        GEMMConfiguration(
            GEMMProblem(n: n, k: k, experts: experts, maxRows: rows), tile: TileShape(m: TileShape.m(holding: rows)),
            role: .plain(output, launch: dependent ? .behindGEMM : .alone, signals: signals),
            tuning: .device(memoryBytesPerSecond: device.properties.memoryBytesPerSecond))
    }

    /// Nanoseconds of launches with as many rows as experts have room for, and the bytes of the L2 that were set aside
    /// for them. Floors are measured with none set aside.
    private func measure(_ configuration: GEMMConfiguration) throws -> (nanoseconds: [Double], setAsideL2Bytes: Int) {
        let (rows, scaleRows) = (configuration.problem.maxRows, configuration.problem.scaleRows)
        let share = try device.keepInL2(
            bytes: configuration.keptBytes(
                counts: [Int](repeating: rows, count: experts), gridSize: multiprocessors))
        var random = RandomStream(seed: 2, name: "rows")
        let values = GaussianFloat8Table().codes(experts * rows * k, from: &random)
        let operands = GroupedGEMM.Operands(
            rows: try device.makeBuffer(values, label: "rows"),
            rowScales: try device.makeBuffer(
                [Float](repeating: 0.01, count: experts * k / 128 * scaleRows), label: "row scales"),
            counts: try device.makeBuffer([UInt32](repeating: UInt32(rows), count: experts), label: "counts"),
            output: try device.allocate(bytes: experts * rows * n * 2, label: "output"),
            outputScales: try device.allocate(bytes: experts * (n / 128) * scaleRows * 4, label: "output scales"),
            signals: try device.makeBuffer(
                [UInt32](repeating: 0, count: experts * configuration.rowBlocks), label: "signals"))
        let scratch = try GEMMScratch(device, gridSize: multiprocessors, label: "bench")
        let gemms = try weights.map { try GroupedGEMM(device, configuration, $0, operands, scratch) }
        let times = try timer.measure(device, on: stream) { launch in
            try gemms[launch % gemms.count].enqueue(blocks: multiprocessors, on: stream)
        }
        try scratch.requireNoFault(device)
        return withExtendedLifetime(share) { (times, share.setAsideBytes) }
    }
}
