import Accelerator
import ExpertKernels
import ExpertParallel
import KernelLanguage
import Testing

/// Experts and tokens so small that products leave FP32's normal range. Public checkpoints have experts whose scales
/// are 1e-23.
@Suite("FP64 reference: numbers near zero")
struct TinyScaleTests {
    private static let hidden = 256

    /// Weights about normal, with block scales of about `scale` / 120.
    ///
    /// - Parameters:
    ///   - gate: If given, all weights of the gate.
    ///   - perRow: Whether it is every other row that has this scale, and the rest about 1 / 120.
    private func expert(
        _ number: Int, scale: Float, gate: Float? = nil, perRow: Bool = false
    ) throws -> ExpertWeights {
        let table = GaussianFloat8Table()
        func matrix(_ name: String, _ rows: Int, _ columns: Int) throws -> QuantisedMatrix {
            var stream = RandomStream(seed: 3, name: "\(name) \(number)")
            let values = table.codes(rows * columns, from: &stream)
            if perRow {
                let scales = (0..<rows).map { ($0 % 2 == 0 ? scale : 1) / 120 * (0.5 + stream.uniform()) }
                return try QuantisedMatrix(rows: rows, columns: columns, values: values, channelScales: scales)
            }
            let scales = (0..<rows / 128 * (columns / 128)).map { _ in scale / 120 * (0.5 + stream.uniform()) }
            return try QuantisedMatrix(rows: rows, columns: columns, values: values, scales: scales)
        }
        let constant = try gate.map {
            try QuantisedMatrix(
                rows: 128, columns: Self.hidden,
                values: [UInt8](repeating: Float8E4M3(1).bits, count: 128 * Self.hidden), scales: [$0, $0])
        }
        return ExpertWeights(
            gate: try constant ?? matrix("gate", 128, Self.hidden), up: try matrix("up", 128, Self.hidden),
            down: try matrix("down", Self.hidden, 128))
    }

    /// Runs two tokens of positive channels through one expert of each of two ranks: one of usual size, and one of this
    /// scale.
    private func judge(
        scale: Float, hidden: Float, gate: Float? = nil, perRow: Bool = false
    ) throws -> LayerVerification {
        let device = SimulatedDevice()
        let shape = try LayerShape(hidden: Self.hidden, intermediate: 128, experts: 2, topK: 2, ranks: 2, maxTokens: 2)
        var configuration = GroupConfiguration(
            shape: shape, deviceMultiprocessors: device.properties.multiprocessors)
        configuration.twoBatch = false
        configuration.channelScales = perRow
        let weights = [try expert(0, scale: 0.1), try expert(1, scale: scale, gate: gate, perRow: perRow)]
        let layer = try MoELayerGroup(RankGroup(device: device, configuration: configuration), shared: nil) {
            weights[$0]
        }
        var stream = RandomStream(seed: 9)
        let inputs = (0..<2).map { _ in
            RankInput(
                hiddenStates: (0..<2 * Self.hidden).map { _ in BFloat16(stream.normal().magnitude * hidden) },
                routing: Routing(tokens: 2, topK: 2, experts: [0, 1, 1, 0], weights: [0.5, 0.5, 0.25, 0.75]))
        }
        let outputs = try layer.step(inputs, overlap: .none)
        return try LayerJudge(layer, inputs, shared: nil) { weights[$0] }.judge(outputs)
    }

    @Test(
        "Tiny experts beside usual ones are right",
        arguments: [1e-8, 1e-16, 1e-18, 1e-19, 1e-20, 1e-21, 1e-22, 1e-23, 1e-24, 1e-30, 1e-36] as [Float])
    func tinyExperts(_ scale: Float) throws {
        let verdict = try judge(scale: scale, hidden: 1)
        #expect(verdict.passed, "\(verdict)")
    }

    @Test(
        "Tiny rows of weights beside usual ones are right",
        arguments: [1e-8, 1e-19, 1e-23, 1e-30, 1e-36, 1e-38, 0x1p-140] as [Float])
    func tinyRows(_ scale: Float) throws {
        let verdict = try judge(scale: scale, hidden: 1, perRow: true)
        #expect(verdict.passed, "\(verdict)")
    }

    @Test("Tiny tokens are right", arguments: [1e-10, 1e-20, 1e-30, 1e-36, 1e-38, 0x1p-131] as [Float])
    func tinyTokens(_ hidden: Float) throws {
        _ = try judge(scale: 0.1, hidden: hidden)
    }

    @Test("Gates that the kernels' reciprocal closes are closed in the reference")
    func closedGates() throws {
        // All gates of a row are about -0.45 x 256 x 0.8 = -92, and the reciprocal of 1 + e⁹² is no normal FP32 number.
        for gate in [-0.42, -0.45, -0.5] as [Float] {
            let verdict = try judge(scale: 100, hidden: 1, gate: gate)
            #expect(verdict.passed, "\(verdict)")
        }
    }
}
