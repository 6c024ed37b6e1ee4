import Accelerator
import Conformance
import ExpertKernels
import ExpertParallel
import KernelLanguage
import Testing

/// Scales of activations that are powers of two: what the host's own are, and what is refused.
@Suite("Scale formats")
struct ScaleFormatTests {
    private static let scales: [(largest: Float, scale: Float)] = [
        (448, 1), (Float(448).nextUp, 2), (Float(448).nextDown, 1), (225, 1), (224, 0x1p-1), (1, 0x1p-8),
        (0x1.C2p-118, 0x1p-125), (0x1.Cp-118, 0x1p-126), (0x1p-130, 0x1p-126),
        (.leastNonzeroMagnitude, 0x1p-126), (.greatestFiniteMagnitude, 0x1p120), (0, 1),
    ]

    @Test("The scale is the least power of two that is not below the largest magnitude / 448", arguments: scales)
    func powersOfTwo(_ expected: (largest: Float, scale: Float)) {
        var row = [Float](repeating: expected.largest / 3, count: 128)
        row[77] = -expected.largest
        for format in [ScaleFormat.powerOfTwo, .exponents] {
            let quantised = QuantisedRow(quantising: row, format)
            #expect(quantised.scales == [expected.scale])
            for (value, code) in zip(row, quantised.values) {
                #expect(code == Float8E4M3(value / expected.scale).bits)
            }
        }
    }

    @Test("Exponents of four neighbouring groups lie in a word, the first in the lowest byte")
    func packed() {
        let largest: [Float] = [448, 0, 224, 1, 0x1p-140, 448 * 0x1p100, 449, 7]
        let row = QuantisedRow(quantising: largest.flatMap { [Float](repeating: $0, count: 128) }, .exponents)
        #expect(row.packedExponents == [0x77_7E_7F_7F, 0x79_80_E3_01])
    }

    private func shape(hidden: Int) throws -> LayerShape {
        try LayerShape(hidden: hidden, intermediate: 128, experts: 4, topK: 2, ranks: 2, maxTokens: 3)
    }

    private func makeGroup(
        hidden: Int, _ format: DispatchFormat, _ scales: ScaleFormat, on device: any Device
    ) throws -> RankGroup {
        var configuration = GroupConfiguration(
            shape: try shape(hidden: hidden), format: format, deviceMultiprocessors: device.properties.multiprocessors)
        configuration.scaleFormat = scales
        return try RankGroup(device: device, configuration: configuration)
    }

    @Test("Exponents are refused where rows have no scales, or none that fill words, and by the layer")
    func refusals() throws {
        let device = SimulatedDevice(seed: 1)
        #expect(throws: GroupError.packedScales(hidden: 384)) {
            try makeGroup(hidden: 384, .float8, .exponents, on: device)
        }
        #expect(throws: GroupError.packedScalesWithoutFloat8(.bfloat16)) {
            try makeGroup(hidden: 512, .bfloat16, .exponents, on: device)
        }
        let group = try makeGroup(hidden: 512, .float8, .exponents, on: device)
        let fixture = LayerFixture(try shape(hidden: 512), tokens: [3, 3])
        #expect(throws: GroupError.scaleFormatUnsupported(.exponents)) {
            try MoELayerGroup(group, shared: nil, weights: fixture.weights)
        }
        for error in [
            GroupError.packedScales(hidden: 384), .packedScalesWithoutFloat8(.bfloat16),
            .scaleFormatUnsupported(.exponents),
        ] {
            #expect(error.description.contains("use") || error.description.contains("dispatch"))
        }
    }

    @Test("Halves of a batch, and groups with masks, have the scales of the whole")
    func otherWindows() throws {
        let fixture = LayerFixture(try shape(hidden: 256), tokens: [3, 2])
        let device = SimulatedDevice(seed: 1)
        let outputs = try ScaleFormat.allCases.filter { $0 != .exponents }.map { format in
            let layer = try fixture.layer(on: device, scaleFormat: format)
            let plain = try layer.step(fixture.inputs(), overlap: .none)
            #expect(try layer.step(fixture.inputs(), overlap: .twoBatch) == plain)
            let masking = try fixture.layer(on: device, onFailure: .mask, scaleFormat: format)
            for mode in OverlapMode.allCases {
                #expect(try masking.step(fixture.inputs(), overlap: mode) == plain, "\(mode)")
            }
            return plain
        }
        #expect(outputs[0] != outputs[1])
    }

    @Test("The reference tells one format from the other", arguments: [ScaleFormat.float32, .powerOfTwo])
    func judged(_ format: ScaleFormat) throws {
        let fixture = LayerFixture(try shape(hidden: 256), tokens: [3, 2])
        let layer = try fixture.layer(on: SimulatedDevice(seed: 1), scaleFormat: format)
        let inputs = fixture.inputs()
        let outputs = try layer.step(inputs, overlap: .none)
        let observed = try layer.observedExperts(inputs)
        var configuration = layer.group.configuration
        let judge = try LayerJudge(
            configuration, inputs, observed: observed, shared: nil, weights: fixture.weights)
        #expect(judge.judge(outputs).passed)
        configuration.scaleFormat = format == .float32 ? .powerOfTwo : .float32
        let error = #expect(throws: ReferenceError.self) {
            try LayerJudge(configuration, inputs, observed: observed, shared: nil, weights: fixture.weights)
        }
        guard case .observedDiffers(let difference) = error else {
            Issue.record("\(String(describing: error))")
            return
        }
        #expect(difference.stage == .activation && difference.part == .scale)
    }
}
