import ExpertKernels
import ExpertParallel
import Testing

/// What a group's configuration chooses by itself.
@Suite("Group configuration")
struct GroupConfigurationTests {
    private func configuration(
        tokens: Int, link: LinkModel?, network: GroupNetwork? = nil, ranksOnDevice: Int? = nil
    ) throws -> GroupConfiguration {
        let shape = try LayerShape(
            hidden: 7168, intermediate: 2048, experts: 16, topK: 8, ranks: 2, maxTokens: tokens)
        return GroupConfiguration(
            shape: shape, deviceMultiprocessors: 132, ranksOnDevice: ranksOnDevice, link: link, network: network)
    }

    @Test(
        "Multiprocessors are split where rows travel over modelled links or cards, or to other devices, and only there",
        arguments: [8, 32, 64, 128])
    func split(tokens: Int) throws {
        let link = try LinkModel(bytesPerSecond: 50e9, latencyNanoseconds: 5_000)
        let expected = [8: 2, 32: 8, 64: 18, 128: 18]
        #expect(try configuration(tokens: tokens, link: nil).communicationMultiprocessors == 0)
        #expect(try configuration(tokens: tokens, link: link).communicationMultiprocessors == expected[tokens])
        let model = try NetworkModel(bytesPerSecond: 50e9, latencyNanoseconds: 5_000, messageNanoseconds: 200)
        let (plain, modelled) = (GroupNetwork(.loopback), GroupNetwork(.loopback, model: model))
        #expect(try configuration(tokens: tokens, link: nil, network: plain).communicationMultiprocessors == 0)
        #expect(
            try configuration(tokens: tokens, link: nil, network: modelled).communicationMultiprocessors
                == expected[tokens])
        let apart = [8: 0, 32: 12, 64: 12, 128: 12]
        #expect(
            try configuration(tokens: tokens, link: nil, ranksOnDevice: 1).communicationMultiprocessors
                == apart[tokens])
        #expect(
            try configuration(tokens: tokens, link: nil, network: plain, ranksOnDevice: 1)
                .communicationMultiprocessors == 0)
        // Two Batch Overlap communicates beside the GEMMs in any case.
        #expect(try configuration(tokens: tokens, link: nil).splitMultiprocessors == expected[tokens])
    }

    @Test("A split that is asked for is taken")
    func override() throws {
        var configuration = try configuration(tokens: 8, link: nil)
        configuration.communicationMultiprocessors = 5
        #expect(configuration.splitMultiprocessors == 5)
    }

    @Test("Blocks that wait for other ranks leave each rank of the device its share", arguments: 1...16)
    func residency(ranks: Int) throws {
        let shape = try LayerShape(
            hidden: 512, intermediate: 256, experts: ranks, topK: 1, ranks: ranks, maxTokens: 8)
        for multiprocessors in (2 * ranks)...(16 * ranks) {
            var configuration = GroupConfiguration(shape: shape, deviceMultiprocessors: multiprocessors)
            #expect(configuration.arrivingBlocks == configuration.multiprocessors)
            configuration.onFailure = .mask
            let waiting = configuration.arrivingBlocks + configuration.unpackBlocks
            #expect(configuration.arrivingBlocks > 0)
            // A rank with a device of its own takes no other's multiprocessors.
            #expect(ranks == 1 || waiting <= multiprocessors / ranks, "\(multiprocessors) multiprocessors")
        }
    }
}
