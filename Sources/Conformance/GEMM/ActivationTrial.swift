import Accelerator
import ExpertKernels
import ExpertParallel
import KernelLanguage

/// A gate and up GEMM with random operands, with SwiGLU in its epilogue and with the separate kernel after it.
struct ActivationTrial {
    private let device: any Device
    private let stream: DeviceStream
    private let scratch: GEMMScratch
    private let plain: GroupedGEMM
    private let fused: GroupedGEMM
    private let swiGLU: LoadedKernel
    private let swiGLUArguments: [KernelArgument]
    private let counts: DeviceBuffer
    private let gateUp: DeviceBuffer
    private let rows: DeviceBuffer
    private let scales: DeviceBuffer

    /// The result of either way; poison where there is no row.
    struct Result {
        var rows: [UInt8]
        /// Bits of Float32.
        var scales: [UInt32]
    }

    private static func maxRows(_ counts: [Int]) -> Int { (counts.max() ?? 0) + 3 }

    /// The GEMM without SwiGLU.
    static func configuration(counts: [Int], intermediate: Int, hidden: Int, blockM: Int) -> GEMMConfiguration {
        GEMMConfiguration(
            GEMMProblem(n: 2 * intermediate, k: hidden, experts: counts.count, maxRows: maxRows(counts)),
            tile: TileShape(m: blockM))
    }

    init(
        _ device: any Device, counts: [Int], intermediate: Int, hidden: Int, blockM: Int,
        scales scaleFormat: ScaleFormat = .float32, channelScales: Bool = false, activation: Activation = .plain,
        sharedExperts: Int = 0
    ) throws {
        self.device = device
        let experts = counts.count
        let maxRows = Self.maxRows(counts)
        let shape = ExpertShape(
            hidden: hidden, intermediate: intermediate, experts: experts, maxRows: maxRows, blockM: blockM,
            scaleFormat: scaleFormat, activation: activation, sharedExperts: sharedExperts)
        let scaleRows = shape.scaleRows
        let fixture = try LayerFixture.matrices()
        func weights(_ label: String) throws -> WeightBuffer {
            try WeightBuffer(
                device, rows: 2 * intermediate, columns: hidden, experts: experts, channelScales: channelScales,
                label: label)
        }
        let (below, inTurns) = (try weights("gate above up"), try weights("gate and up in turns"))
        for expert in 0..<experts {
            func matrix(_ name: String, perRow: Bool) throws -> QuantisedMatrix {
                try perRow
                    ? fixture.matrixOfBothScales(name, intermediate, hidden)
                    : fixture.matrix(name, intermediate, hidden)
            }
            // In some experts gate has them, in some up, and in some both.
            let gate = try matrix("gate \(expert)", perRow: channelScales && expert % 3 != 0)
            let up = try matrix("up \(expert)", perRow: channelScales && expert % 3 != 1)
            try below.write(gateAboveUp: gate, up, of: expert)
            try inTurns.write(gate: gate, up: up, of: expert)
        }
        var random = RandomStream(seed: 3)
        let codes = GaussianFloat8Table().codes(experts * maxRows * hidden, from: &random)
        // Magnitudes on both sides of where SiLU bends.
        let rowScales = (0..<experts * hidden / 128 * scaleRows).map { _ in Float(0.01 + abs(random.normal())) }

        stream = try device.makeStream(label: "activation")
        scratch = try GEMMScratch(device, gridSize: 16, label: "activation")
        self.counts = try device.makeBuffer(counts.map(UInt32.init), label: "counts")
        gateUp = try device.allocate(bytes: experts * maxRows * 2 * intermediate * 2, label: "gate and up")
        rows = try device.allocate(bytes: experts * maxRows * intermediate, label: "activated")
        scales = try device.allocate(bytes: experts * intermediate / 128 * scaleRows * 4, label: "activated scales")
        let operands = GroupedGEMM.Operands(
            rows: try device.makeBuffer(codes, label: "rows"),
            rowScales: try device.makeBuffer(rowScales, label: "row scales"), counts: self.counts, output: gateUp)
        var configuration = Self.configuration(
            counts: counts, intermediate: intermediate, hidden: hidden, blockM: blockM)
        configuration.channelScales = channelScales
        plain = try GroupedGEMM(device, configuration, below, operands, scratch)
        var (fusing, fusedOperands) = (configuration, operands)
        fusing.role = .plain(.swiGLU)
        fusing.scaleFormat = scaleFormat
        fusing.activate(activation, sharedExperts: sharedExperts)
        (fusedOperands.output, fusedOperands.outputScales) = (rows, scales)
        fused = try GroupedGEMM(device, fusing, inTurns, fusedOperands, scratch)
        let kernel = try swiGLUKernel(shape)
        swiGLU = try device.load(kernel)
        let parameters = SwiGLUParameters(
            counts: MemoryParameter(address: self.counts.address), gateUp: MemoryParameter(address: gateUp.address),
            rows: MemoryParameter(address: rows.address), scales: MemoryParameter(address: scales.address))
        swiGLUArguments = try KernelArguments([parameters]).ordered(for: kernel)
    }

    func runSeparate() throws -> Result {
        try result {
            try plain.enqueue(blocks: 7, on: stream)
            try device.launch(
                swiGLU, blocks: 5, arguments: swiGLUArguments, dependentLaunch: false, on: stream)
        }
    }

    func runFused(blocks: Int) throws -> Result {
        try result { try fused.enqueue(blocks: blocks, on: stream) }
    }

    private func result(_ enqueue: () throws -> Void) throws -> Result {
        for buffer in [gateUp, rows, scales] { try device.fill(buffer, with: 0xFF, on: stream) }
        try enqueue()
        try device.synchronize(stream)
        try scratch.requireNoFault(device)
        return Result(
            rows: try device.read(UInt8.self, count: rows.bytes, from: rows),
            scales: try device.read(UInt32.self, count: scales.bytes / 4, from: scales))
    }
}
