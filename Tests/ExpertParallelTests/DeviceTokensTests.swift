import Accelerator
import Conformance
import ExpertKernels
import ExpertParallel
import KernelLanguage
import Testing
import Transport

/// Steps on memory and streams of the caller's.
@Suite struct DeviceTokensTests {
    /// Memory of the host, page-aligned as arrays of an engine are, and freed by the test.
    private final class HostMemory {
        let bytes: UnsafeMutableRawBufferPointer

        init(_ count: Int) {
            bytes = .allocate(byteCount: count, alignment: 4096)
            bytes.initializeMemory(as: UInt8.self, repeating: 0)
        }

        deinit { bytes.deallocate() }
    }

    private let device = SimulatedDevice(seed: 1)

    private func shape() throws -> LayerShape {
        try LayerShape(hidden: 256, intermediate: 128, experts: 8, topK: 2, ranks: 1, maxTokens: 6, sharedExperts: 1)
    }

    /// Kernels read inputs and write outputs where the caller has them, in every mode and in a graph, and nothing is
    /// copied.
    @Test(arguments: OverlapMode.allCases, [false, true])
    func stepsWhereTheCallersMemoryIs(_ mode: OverlapMode, hasSharedGate: Bool) throws {
        let shape = try shape()
        let fixture = LayerFixture(shape, tokens: [6], sharedIntermediate: 128, hasSharedGate: hasSharedGate)
        let layer = try fixture.layer(on: device)
        let rank = layer.group.ranks[0]
        let memory = [12, 6 * 256 * 2, 6 * 2 * 8, 6 * 2 * 4, 6 * 256 * 2, 6 * 4].map(HostMemory.init)
        let buffers = try memory.enumerated().map { index, own in
            try device.adopt(host: own.bytes, label: "tensor \(index)")
        }
        let expected = try (0..<3).map { try layer.step(fixture.inputs(step: $0), overlap: .none) }

        try rank.use(
            DeviceTokens(
                count: buffers[0], hiddenStates: buffers[1], experts: buffers[2], weights: buffers[3],
                sharedWeights: hasSharedGate ? buffers[5] : nil, output: buffers[4]))
        let captured = try layer.capture(overlap: mode)
        for step in 0..<3 {
            let input = fixture.inputs(step: step)[0]
            memory[0].bytes.copyBytes(
                from: [6, 3, 3].flatMap { withUnsafeBytes(of: UInt32($0).littleEndian, Array.init) })
            input.hiddenStates.withUnsafeBytes { memory[1].bytes.copyMemory(from: $0) }
            input.routing.experts.withUnsafeBytes { memory[2].bytes.copyMemory(from: $0) }
            input.routing.weights.withUnsafeBytes { memory[3].bytes.copyMemory(from: $0) }
            input.routing.sharedWeights?.withUnsafeBytes { memory[5].bytes.copyMemory(from: $0) }
            if step == 0 { try layer.enqueue(rank, overlap: mode) } else { try layer.replay(captured) }
            try layer.group.synchronize()
            let found = Array(memory[4].bytes.bindMemory(to: BFloat16.self))
            try requireIdentical("\(mode), step \(step)", [found], expected[step], hidden: shape.hidden)
        }
    }

    /// A graph keeps the memory that it reads and writes, also when later steps use other memory.
    @Test func capturedStepsKeepTheirTokens() throws {
        let shape = try shape()
        let fixture = LayerFixture(shape, tokens: [6], sharedIntermediate: 128)
        let layer = try fixture.layer(on: device)
        _ = try layer.step(fixture.inputs(), overlap: .none)
        let captured = try layer.capture(overlap: .direct)
        func buffer(_ bytes: Int) throws -> DeviceBuffer { try device.allocate(bytes: bytes, label: "other") }
        try layer.group.ranks[0].use(
            DeviceTokens(
                count: buffer(12), hiddenStates: buffer(3072), experts: buffer(96), weights: buffer(48),
                output: buffer(3072)))
        try layer.replay(captured)
        try layer.group.synchronize()
    }

    /// One stream cannot be both beside itself and behind itself.
    @Test func refusesAnOverlapOnOneStream() throws {
        let shape = try shape()
        let fixture = LayerFixture(shape, tokens: [6], sharedIntermediate: 128)
        var configuration = try fixture.layer(on: device).group.configuration
        configuration.communicationMultiprocessors = 8
        configuration.twoBatch = false
        let own = try device.makeStream(label: "engine", rank: 0)
        let again = try device.adopt(stream: own.handle, label: "again", rank: 0)
        let rank = try ExpertRank(
            device: device, configuration: configuration, transport: LocalTransport.group(ranks: 1)[0], compute: own,
            communication: again)
        let layer = try MoELayerGroup(RankGroup([rank]), shared: fixture.shared(), weights: fixture.weights)
        try layer.group.load(fixture.inputs())
        #expect(throws: GroupError.overlapOnComputeStream(rank: 0)) { try layer.enqueue(rank, overlap: .singleBatch) }
    }

    @Test func refusesMemoryThatIsTooSmallOrCrooked() throws {
        let layer = try LayerFixture(try shape(), tokens: [6], sharedIntermediate: 128).layer(on: device)
        let rank = layer.group.ranks[0]
        let buffer = try device.allocate(bytes: 6 * 256 * 2, label: "tensor")
        func tokens(_ hiddenStates: DeviceBuffer) -> DeviceTokens {
            DeviceTokens(count: buffer, hiddenStates: hiddenStates, experts: buffer, weights: buffer, output: buffer)
        }
        let small = buffer.part("part", offset: 0, bytes: 6 * 256 * 2 - 2)
        #expect(throws: GroupError.bufferTooSmall("part", bytes: 3070, needed: 3072)) { try rank.use(tokens(small)) }
        let large = try device.allocate(bytes: 4096, label: "large")
        let crooked = large.part("crooked", offset: 8, bytes: 3072)
        #expect(throws: GroupError.misaligned("crooked", address: crooked.address, alignment: 16)) {
            try rank.use(tokens(crooked))
        }
        var given = tokens(buffer)
        try rank.use(given)
        given.sharedWeights = buffer
        #expect(throws: GroupError.sharedWeightsUnread(rank: 0)) { try rank.use(given) }
    }

    @Test func refusesSharedWeightsThatAreMissingOrTooSmall() throws {
        let layer = try LayerFixture(try shape(), tokens: [6], sharedIntermediate: 128, hasSharedGate: true).layer(
            on: device)
        let rank = layer.group.ranks[0]
        let buffer = try device.allocate(bytes: 6 * 256 * 2, label: "tensor")
        var tokens = DeviceTokens(
            count: buffer, hiddenStates: buffer, experts: buffer, weights: buffer, output: buffer)
        #expect(throws: GroupError.sharedWeightsMissing(rank: 0)) { try rank.use(tokens) }
        tokens.sharedWeights = buffer.part("part", offset: 0, bytes: 20)
        #expect(throws: GroupError.bufferTooSmall("part", bytes: 20, needed: 24)) { try rank.use(tokens) }
        tokens.sharedWeights = buffer.part("crooked", offset: 2, bytes: 24)
        #expect(throws: GroupError.misaligned("crooked", address: buffer.address + 2, alignment: 4)) {
            try rank.use(tokens)
        }
        tokens.sharedWeights = buffer
        try rank.use(tokens)
    }

    /// A rank works on streams that somebody else made.
    @Test func takesStreamsOfTheCaller() throws {
        let shape = try shape()
        let fixture = LayerFixture(shape, tokens: [6], sharedIntermediate: 128)
        let local = try fixture.layer(on: device)
        let own = try device.makeStream(label: "engine", rank: 0)
        let compute = try device.adopt(stream: own.handle, label: "adopted", rank: 0)
        let rank = try ExpertRank(
            device: device, configuration: local.group.configuration,
            transport: LocalTransport.group(ranks: 1)[0], compute: compute)
        let layer = try MoELayerGroup(RankGroup([rank]), shared: fixture.shared(), weights: fixture.weights)
        let inputs = fixture.inputs()
        for mode in OverlapMode.allCases {
            try layer.group.load(inputs)
            try layer.enqueue(rank, overlap: mode)
            try device.synchronize(own)
            try requireIdentical(
                "\(mode)", try layer.outputs(inputs), try local.step(inputs, overlap: .none), hidden: shape.hidden)
        }
    }
}
