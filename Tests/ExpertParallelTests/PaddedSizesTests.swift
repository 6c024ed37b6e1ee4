import Accelerator
import Conformance
import ExpertKernels
import ExpertParallel
import KernelLanguage
import Testing
import Transport

/// Layers whose sizes are no multiples of 128; what they compute is in `paddedLayerCases`.
@Suite struct PaddedSizesTests {
    private let device = SimulatedDevice(seed: 1)

    private func shape(hidden: Int, intermediate: Int, shared: Int? = nil) throws -> LayerShape {
        try LayerShape(
            hidden: hidden, intermediate: intermediate, experts: 4, topK: 2, ranks: 1, maxTokens: 5,
            sharedExperts: ExpertWeights.parts(ofShared: shared, intermediate: intermediate))
    }

    private func rank(_ shape: LayerShape) throws -> ExpertRank {
        let group = try RankGroup(
            device: device,
            configuration: GroupConfiguration(
                shape: shape, deviceMultiprocessors: device.properties.multiprocessors))
        return group.ranks[0]
    }

    @Test func roundsUpToWholeGroups() throws {
        let shape = try shape(hidden: 2880, intermediate: 72)
        #expect([shape.paddedHidden, shape.paddedIntermediate, shape.hiddenGroups] == [2944, 128, 23])
        let whole = try self.shape(hidden: 2944, intermediate: 128)
        #expect([whole.paddedHidden, whole.paddedIntermediate, whole.hiddenGroups] == [2944, 128, 23])
    }

    @Test("A shared expert comes in parts as wide as the padded routed one")
    func parts() {
        #expect(ExpertWeights.parts(ofShared: 128, intermediate: 72) == 1)
        #expect(ExpertWeights.parts(ofShared: 136, intermediate: 72) == 2)
        #expect(ExpertWeights.parts(ofShared: 2 * 2880, intermediate: 2880) == 2)
        #expect(ExpertWeights.parts(ofShared: nil, intermediate: 72) == 0)
    }

    @Test("An engine's buffer takes whole groups alone")
    func refusesBuffers() throws {
        let expected = ShapeError(name: "hidden", value: 200, range: 128...12_800, step: 128)
        let configuration = GroupConfiguration(
            shape: try shape(hidden: 200, intermediate: 128), deviceMultiprocessors: device.properties.multiprocessors)
        #expect(throws: expected) {
            try CommunicationBuffer(
                device: device, configuration: configuration, transport: LocalTransport.group(ranks: 1)[0])
        }
    }

    @Test("Weights of the padded size are not taken for those of the layer")
    func refusesPaddedWeights() throws {
        let shape = try shape(hidden: 200, intermediate: 72)
        let others = LayerFixture(try self.shape(hidden: 256, intermediate: 128), tokens: [3])
        #expect(
            throws: GroupError.weightShape(
                matrix: "gate of expert 0", rows: 128, columns: 256, expectedRows: 72, expectedColumns: 200)
        ) {
            try MoELayer(rank(shape), shared: nil, weights: others.weights)
        }
    }

    /// Matrices as an engine holds them, those of a pair above each other.
    private func matrices(_ experts: [[QuantisedMatrix]]) throws -> LayerWeights.Matrices {
        LayerWeights.Matrices(
            values: try device.makeBuffer(experts.flatMap { $0.flatMap(\.values) }, label: "weights"),
            scales: try device.makeBuffer(experts.flatMap { $0.flatMap(\.scales) }, label: "scales"))
    }

    @Test("Weights that are on the device give the same bits as those that are uploaded", arguments: [80, 336])
    func deviceWeights(_ shared: Int) throws {
        let shape = try shape(hidden: 208, intermediate: 80, shared: shared)
        let fixture = LayerFixture(shape, tokens: [5], sharedIntermediate: shared)
        let experts = try (0..<shape.experts).map(fixture.weights)
        var weights = LayerWeights(
            gateUp: try matrices(experts.map { [$0.gate, $0.up] }), down: try matrices(experts.map { [$0.down] }))
        let own = try #require(try fixture.shared())
        weights.shared = LayerWeights.Shared(
            gateUp: try matrices([[own.gate, own.up]]), down: try matrices([[own.down]]), intermediate: shared)
        let input = fixture.inputs()[0]
        func output(_ make: (ExpertRank) throws -> MoELayer) throws -> [BFloat16] {
            let rank = try rank(shape)
            let layer = try make(rank)
            try rank.load(input)
            try layer.enqueue(overlap: .singleBatch)
            try rank.synchronize()
            return try rank.output(tokens: 5)
        }
        let uploaded = try output { try MoELayer($0, shared: own, weights: fixture.weights) }
        #expect(try output { try MoELayer($0, weights: weights) } == uploaded)
    }

    @Test("Weights on the device are refused where 16 of them do not fit a row", arguments: [(200, 80), (208, 72)])
    func refusesDeviceWeights(_ hidden: Int, _ intermediate: Int) throws {
        let rank = try rank(shape(hidden: hidden, intermediate: intermediate))
        let none = LayerWeights.Matrices(
            values: try device.allocate(bytes: 16, label: "values"),
            scales: try device.allocate(bytes: 16, label: "scales"))
        let expected =
            hidden % 16 == 0
            ? ShapeError(name: "intermediate", value: intermediate, range: 16...65_536, step: 16)
            : ShapeError(name: "hidden", value: hidden, range: 16...12_800, step: 16)
        #expect(throws: expected) {
            try MoELayer(rank, weights: LayerWeights(gateUp: none, down: none))
        }
    }
}
