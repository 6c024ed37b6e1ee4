import Accelerator
import ExpertKernels
import ExpertParallel
import KernelLanguage

/// A grouped GEMM with random operands on a device, and its FP64 reference.
struct GEMMTrial {
    private let device: any Device
    private let configuration: GEMMConfiguration
    private let counts: [Int]
    private let weights: [QuantisedMatrix]
    private let rows: [[QuantisedRow]]
    /// Launches of the GEMM, and the output of each.
    private let launches: [(gemm: GroupedGEMM, output: DeviceBuffer)]
    private let signals: DeviceBuffer
    private let stream: DeviceStream
    private let rowBlocks: Int
    private let scratch: GEMMScratch

    /// - Parameters:
    ///   - maxGrid: Thread blocks of the largest grid that will run.
    ///   - launches: Launches of a run, each right behind the one before, with an output of its own and the same
    ///     scratch.
    init(
        _ device: any Device, _ configuration: GEMMConfiguration, counts: [Int], maxGrid: Int, launches: Int = 1
    ) throws {
        self.device = device
        self.configuration = configuration
        self.counts = counts
        let problem = configuration.problem
        let (n, k, experts, maxRows) = (problem.n, problem.k, problem.experts, problem.maxRows)
        let fixture = try LayerFixture.matrices()
        weights = try (0..<experts).map { expert in
            // Every fourth has scales of blocks alone, among those with scales of rows too.
            let name = "gemm \(expert)"
            return configuration.channelScales && expert % 4 != 3
                ? try fixture.matrixOfBothScales(name, n, k) : try fixture.matrix(name, n, k)
        }
        var stream = RandomStream(seed: 2)
        rows = counts.map { count in
            (0..<count).map { _ in QuantisedRow(quantising: (0..<k).map { _ in stream.normal() }) }
        }
        rowBlocks = configuration.rowBlocks

        let packed = try WeightBuffer(
            device, rows: n, columns: k, experts: experts, tileN: configuration.tile.n,
            channelScales: configuration.channelScales, label: "gemm")
        var values = [UInt8](repeating: 0, count: experts * maxRows * k)
        var scales = [Float](repeating: 0, count: experts * k / 128 * problem.scaleRows)
        for expert in 0..<experts {
            try packed.write(weights[expert], of: expert, name: "weights")
            for (row, content) in rows[expert].enumerated() {
                values.replaceSubrange(
                    (expert * maxRows + row) * k..<(expert * maxRows + row + 1) * k, with: content.values)
                for (group, scale) in content.scales.enumerated() {
                    scales[(expert * k / 128 + group) * problem.scaleRows + row] = scale
                }
            }
        }
        self.stream = try device.makeStream(label: "gemm")
        signals = try device.allocate(bytes: max(16, experts * rowBlocks * 4), label: "gemm signals")
        scratch = try GEMMScratch(device, gridSize: maxGrid, label: "gemm")
        let rowValues = try device.makeBuffer(values, label: "gemm rows")
        let rowScales = try device.makeBuffer(scales, label: "gemm row scales")
        let rowCounts = try device.makeBuffer(counts.map(UInt32.init), label: "gemm counts")
        var all: [(GroupedGEMM, DeviceBuffer)] = []
        for _ in 0..<launches {
            let output = try device.allocate(bytes: experts * maxRows * n * 2, label: "gemm output")
            let operands = GroupedGEMM.Operands(
                rows: rowValues, rowScales: rowScales, counts: rowCounts, output: output, signals: signals)
            all.append((try GroupedGEMM(device, configuration, packed, operands, scratch), output))
        }
        self.launches = all
    }

    /// Runs on a grid of `blocks`, over an output of NaNs. Returns all of the output, BF16 bits.
    func run(blocks: Int) throws -> [UInt16] { try runAll(blocks: blocks)[0] }

    /// All outputs. Dependent launches begin while the one before still runs.
    func runAll(blocks: Int) throws -> [[UInt16]] {
        for launch in launches { try device.fill(launch.output, with: 0xFF, on: stream) }
        try device.fill(signals, with: 0, on: stream)
        for launch in launches { try launch.gemm.enqueue(blocks: blocks, on: stream) }
        try device.synchronize(stream)
        try scratch.requireNoFault(device)
        let flags = try device.read(UInt32.self, count: scratch.flags.bytes / 4, from: scratch.flags)
        try requireEqual("split flags afterwards", flags, [UInt32](repeating: 0, count: flags.count))
        let problem = configuration.problem
        let count = problem.experts * problem.maxRows * problem.n
        return try launches.map { try device.read(UInt16.self, count: count, from: $0.output) }
    }

    /// Compares with the reference; rows beyond an expert's count must be untouched, and signals complete.
    func check(_ found: [UInt16]) throws {
        let (n, maxRows) = (configuration.problem.n, configuration.problem.maxRows)
        var values: [BFloat16] = []
        var reference: [Double] = []
        for expert in 0..<configuration.problem.experts {
            for row in 0..<maxRows {
                let start = (expert * maxRows + row) * n
                let bits = found[start..<start + n]
                if row < counts[expert] {
                    values += bits.map(BFloat16.init(bits:))
                    reference += expected(expert, row)
                } else if let index = bits.firstIndex(where: { $0 != 0xFFFF }) {
                    throw ConformanceFailure(
                        "expert \(expert), row \(row), channel \(index - start) is beyond the count "
                            + "\(counts[expert]) and was written")
                }
            }
        }
        let error = relativeError(values, reference)
        try require(error <= 1e-3, "relative error \(error), limit 1e-3")
        if configuration.role.signals { try checkSignals() }
    }

    private func checkSignals() throws {
        let found = try device.read(UInt32.self, count: configuration.problem.experts * rowBlocks, from: signals)
        let expected = counts.flatMap { count in
            (0..<rowBlocks).map { $0 * configuration.tile.m < count ? UInt32(configuration.tilesAcross) : 0 }
        }
        try requireEqual("signals", found, expected)
    }

    /// One row in FP64, rounded to BF16 as the output is.
    private func expected(_ expert: Int, _ row: Int) -> [Double] {
        let content = rows[expert][row]
        let matrix = weights[expert]
        let k = configuration.problem.k
        let values = (0..<k).map { content[$0] }
        return (0..<configuration.problem.n).map { channel in
            var sum = 0.0
            for group in 0..<k / 128 {
                var partial = 0.0
                for index in group * 128..<(group + 1) * 128 {
                    partial += values[index] * Double(Float8E4M3(bits: matrix.values[channel * k + index]).float)
                }
                sum += partial * Double(matrix.scales[channel / 128 * (k / 128) + group])
            }
            return Double(BFloat16(sum * Double(matrix.channelScales?[channel] ?? 1)).float)
        }
    }
}
