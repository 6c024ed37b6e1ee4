import Accelerator
import Conformance
import ExpertKernels
import ExpertParallel
import KernelLanguage
import Testing

/// Weights with a scale for each row.
@Suite struct ChannelScaleTests {
    private let device = SimulatedDevice(seed: 1)

    private func fixture(channelScales: Bool) throws -> LayerFixture {
        let shape = try LayerShape(hidden: 256, intermediate: 128, experts: 4, topK: 2, ranks: 2, maxTokens: 3)
        return LayerFixture(shape, tokens: [3, 2], channelScales: channelScales)
    }

    private func layer(
        _ fixture: LayerFixture, channelScales: Bool, weights: (Int) throws -> ExpertWeights
    ) throws -> MoELayerGroup {
        var configuration = GroupConfiguration(
            shape: fixture.shape, deviceMultiprocessors: device.properties.multiprocessors)
        configuration.channelScales = channelScales
        return try MoELayerGroup(
            RankGroup(device: device, configuration: configuration), shared: nil, weights: weights)
    }

    private func changing(
        _ matrix: QuantisedMatrix, scales: [Float]? = nil, rows: [Float]?
    ) throws -> QuantisedMatrix {
        try QuantisedMatrix(
            rows: matrix.rows, columns: matrix.columns, values: matrix.values, scales: scales ?? matrix.scales,
            channelScales: rows)
    }

    @Test func aWeightIsCodeTimesBothScales() throws {
        var values = [UInt8](repeating: Float8E4M3(1).bits, count: 256 * 128)
        values[130 * 128 + 5] = Float8E4M3(1.5).bits
        let rows = (0..<256).map { 1 + Float($0) / 256 }
        let matrix = try QuantisedMatrix(
            rows: 256, columns: 128, values: values, scales: [3, 0.25], channelScales: rows)
        #expect(matrix[130, 5] == 1.5 * 0.25 * rows[130] && matrix[7, 5] == 3 * rows[7])
        let plain = try QuantisedMatrix(rows: 256, columns: 128, values: values, channelScales: rows)
        #expect(plain.scales == [1, 1] && plain[130, 5] == 1.5 * rows[130])
        #expect(throws: CheckpointError.countMismatch(matrix: "m", what: "scales of rows", expected: 256, found: 2)) {
            try QuantisedMatrix(rows: 256, columns: 128, values: values, channelScales: [1, 1], name: "m")
        }
    }

    /// Down parts have all rows, and so all their scales; the last part of gate and up is filled up.
    @Test func partsOfASharedExpertKeepTheirScales() throws {
        let shape = try LayerShape(
            hidden: 128, intermediate: 256, experts: 2, topK: 1, ranks: 1, maxTokens: 1, sharedExperts: 2)
        let fixture = LayerFixture(shape, tokens: [1], sharedIntermediate: 384, channelScales: true)
        let whole = try #require(try fixture.shared())
        let parts = try whole.parts(intermediate: 256)
        try #require(parts.count == 2)
        for row in 0..<384 {
            #expect(parts[row / 256].gate[row % 256, 77] == whole.gate[row, 77])
            #expect(parts[row / 256].up[row % 256, 77] == whole.up[row, 77])
            #expect(parts[row / 256].down[77, row % 256] == whole.down[77, row])
        }
        #expect(parts[1].gate[200, 3] == 0 && parts[1].gate.channelScales?[200] == 1)
    }

    @Test func scalesThatTheGroupIsNotMadeForAreRefused() throws {
        let fixture = try fixture(channelScales: true)
        let error = #expect(throws: GroupError.channelScalesUnexpected(matrix: "gate of expert 0")) {
            try layer(fixture, channelScales: false, weights: fixture.weights)
        }
        #expect(error?.description.contains("set channelScales in its configuration") == true)
        var rows = [Float](repeating: 1, count: 128)
        rows[99] = .infinity
        #expect(throws: GroupError.channelScale(matrix: "up of expert 0", row: 99)) {
            try layer(fixture, channelScales: true) { expert in
                var weights = try fixture.weights(expert)
                weights.up = try changing(weights.up, rows: rows)
                return weights
            }
        }
    }

    /// Factors that are powers of two change nothing, whether they stand in scales of rows or of blocks.
    @Test func rowsAndBlocksGiveTheSameBits() throws {
        let fixture = try fixture(channelScales: false)
        let inputs = fixture.inputs()
        let plain = try layer(fixture, channelScales: false, weights: fixture.weights).step(inputs, overlap: .none)
        let without = try layer(fixture, channelScales: true, weights: fixture.weights).step(inputs, overlap: .direct)
        #expect(without == plain)
        let moved = try layer(fixture, channelScales: true) { expert in
            let weights = try fixture.weights(expert)
            func move(_ matrix: QuantisedMatrix, _ factor: Float) throws -> QuantisedMatrix {
                try changing(
                    matrix, scales: matrix.scales.map { $0 / factor },
                    rows: [Float](repeating: factor, count: matrix.rows))
            }
            return ExpertWeights(
                gate: try move(weights.gate, 0x1p-9), up: try move(weights.up, 4), down: try move(weights.down, 0x1p5))
        }.step(inputs, overlap: .singleBatch)
        #expect(moved == plain)
    }

    /// The reference judges a channel by its own scale: what would be a rounding error of others is none of it.
    @Test func smallChannelsAreJudgedByTheirScale() throws {
        let fixture = try fixture(channelScales: false)
        let small = 77
        let experts = try (0..<4).map { expert in
            var weights = try fixture.weights(expert)
            weights.down = try changing(weights.down, rows: (0..<256).map { $0 == small ? 1e-3 : 1 })
            return weights
        }
        let input = RankInput(
            hiddenStates: fixture.inputs()[0].hiddenStates.prefix(256).map { $0 },
            routing: Routing(tokens: 1, topK: 2, experts: [2, -1], weights: [1, 0]))
        func output(_ seen: [BFloat16]?) throws -> [Double] {
            let reference = try LayerReference(
                experts: 4, hidden: 256, intermediate: 128, observed: ObservedQuantisation(output: { _ in seen }))
            return try reference.output(of: [input]) { experts[$0] }[0]
        }
        let own = try output(nil)
        let size = (own.reduce(0) { $0 + $1 * $1 } / 256).squareRoot()
        for (channel, error, isRight) in [(small, 1e-6, true), (small, 1e-4, false), (small + 1, 1e-3, true)] {
            var seen = own.map { BFloat16($0) }
            seen[channel] = BFloat16(own[channel] + error * size)
            if isRight {
                #expect(try output(seen) == seen.map { Double($0.float) })
            } else {
                #expect(throws: ReferenceError.self, "channel \(channel)") { try output(seen) }
            }
        }
    }
}
