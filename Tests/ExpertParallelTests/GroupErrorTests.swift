import Accelerator
import ExpertKernels
import ExpertParallel
import KernelLanguage
import Testing
import Transport

/// What a group refuses, before anything is computed.
@Suite struct GroupErrorTests {
    private let device = SimulatedDevice(seed: 1)

    private func shape(ranks: Int = 2) throws -> LayerShape {
        try LayerShape(hidden: 128, intermediate: 128, experts: 4 * ranks, topK: 2, ranks: ranks, maxTokens: 3)
    }

    private func group() throws -> RankGroup {
        try RankGroup(
            device: device,
            configuration: GroupConfiguration(
                shape: shape(), deviceMultiprocessors: device.properties.multiprocessors))
    }

    private func input(_ experts: [Int64], weights: [Float]? = nil, value: Float = 1) -> RankInput {
        RankInput(
            hiddenStates: [BFloat16](repeating: BFloat16(value), count: experts.count / 2 * 128),
            routing: Routing(
                tokens: experts.count / 2, topK: 2, experts: experts,
                weights: weights ?? [Float](repeating: 0.5, count: experts.count)))
    }

    @Test func refusesShapesThatKernelsDoNotHave() {
        for hidden in [-8, 0, 4, 100, 12_808] {
            #expect(throws: ShapeError(name: "hidden", value: hidden, range: 8...12_800, step: 8)) {
                try LayerShape(hidden: hidden, intermediate: 128, experts: 4, topK: 2, ranks: 2, maxTokens: 1)
            }
        }
        for intermediate in [0, 132, 65_544] {
            #expect(throws: ShapeError(name: "intermediate", value: intermediate, range: 8...65_536, step: 8)) {
                try LayerShape(hidden: 128, intermediate: intermediate, experts: 4, topK: 2, ranks: 2, maxTokens: 1)
            }
        }
        #expect(throws: ShapeError(name: "experts", value: 5, range: 2...1_024, step: 2)) {
            try LayerShape(hidden: 128, intermediate: 128, experts: 5, topK: 2, ranks: 2, maxTokens: 1)
        }
    }

    @Test func refusesInputsOutOfRange() throws {
        let group = try group()
        let good = input([0, 1])
        #expect(throws: GroupError.inputCount(given: 1, ranks: 2)) { try group.load([good]) }
        #expect(throws: GroupError.expertIndex(rank: 1, token: 0, choice: 1, value: 8, experts: 8)) {
            try group.load([good, input([0, 8])])
        }
        #expect(throws: GroupError.expertIndex(rank: 0, token: 0, choice: 0, value: -2, experts: 8)) {
            try group.load([input([-2, 1]), good])
        }
        #expect(throws: GroupError.repeatedExpert(rank: 1, token: 1, expert: 3)) {
            try group.load([good, input([0, 1, 3, 3])])
        }
        #expect(throws: GroupError.tooManyTokens(rank: 0, tokens: 4, maxTokens: 3)) {
            try group.load([input([0, 1, 0, 1, 0, 1, 0, 1]), good])
        }
        #expect(throws: GroupError.notFinite(rank: 1, array: "routing.weights", index: 1)) {
            try group.load([good, input([0, 1], weights: [1, .nan])])
        }
        #expect(throws: GroupError.notFinite(rank: 0, array: "hiddenStates", index: 0)) {
            try group.load([input([0, 1], value: .infinity), good])
        }
        // Selecting nothing twice is no repetition.
        try group.load([input([-1, -1]), good])
    }

    @Test func refusesSharedWeightsThatDoNotFitTheGate() throws {
        let shape = try LayerShape(
            hidden: 128, intermediate: 128, experts: 4, topK: 2, ranks: 1, maxTokens: 3, sharedExperts: 1)
        var configuration = GroupConfiguration(
            shape: shape, deviceMultiprocessors: device.properties.multiprocessors)
        func weighted(_ weights: [Float]?) -> [RankInput] {
            var input = input([0, 1, 2, 3])
            input.routing.sharedWeights = weights
            return [input]
        }
        let plain = try RankGroup(device: device, configuration: configuration)
        #expect(throws: GroupError.sharedWeightsUnread(rank: 0)) { try plain.load(weighted([1, 1])) }
        try plain.load(weighted(nil))
        configuration.hasSharedGate = true
        let gated = try RankGroup(device: device, configuration: configuration)
        #expect(throws: GroupError.sharedWeightsMissing(rank: 0)) { try gated.load(weighted(nil)) }
        #expect(throws: GroupError.elementCount(rank: 0, array: "routing.sharedWeights", given: 3, expected: 2)) {
            try gated.load(weighted([1, 1, 1]))
        }
        #expect(throws: GroupError.notFinite(rank: 0, array: "routing.sharedWeights", index: 1)) {
            try gated.load(weighted([1, .infinity]))
        }
        try gated.load(weighted([0, 1]))
        configuration.shape = try self.shape()
        #expect(throws: GroupError.gateWithoutSharedExpert) {
            try RankGroup(device: device, configuration: configuration)
        }
    }

    @Test func refusesGroupsThatCouldNotBeResident() throws {
        let small = SimulatedDevice(seed: 1, multiprocessors: 3)
        #expect(throws: GroupError.tooFewMultiprocessors(ranks: 2, perRank: 1, device: 3)) {
            try RankGroup(
                device: small, configuration: GroupConfiguration(shape: shape(), deviceMultiprocessors: 3))
        }
        #expect(throws: GroupError.splitImpossible(communication: 66, perRank: 66)) {
            try RankGroup(
                device: device,
                configuration: GroupConfiguration(
                    shape: shape(), deviceMultiprocessors: 132, communicationMultiprocessors: 66))
        }
    }

    @Test func refusesStatisticsThatNobodyKept() throws {
        #expect(throws: GroupError.noArrivalStatistics) { try group().takeArrivalStatistics() }
    }

    @Test func refusesMasksThatThereAreNone() throws {
        let rank = try group().ranks[0]
        #expect(throws: GroupError.noMasks) { try rank.maskedRanks() }
        #expect(throws: GroupError.noMasks) { try rank.mask(1) }
        #expect(throws: GroupError.noMasks) { try rank.adopt(step: rank.currentStep()) }
        #expect(throws: GroupError.noMasks) { try rank.replaceWindows(of: 1) }
        var configuration = rank.configuration
        configuration.onFailure = .mask
        let masking = try RankGroup(device: device, configuration: configuration).ranks[1]
        #expect(throws: GroupError.notAPeer(1, of: 1, ranks: 2)) { try masking.mask(1) }
        #expect(throws: GroupError.notAPeer(2, of: 1, ranks: 2)) { try masking.unmask(2) }
        #expect(throws: GroupError.notAPeer(-1, of: 1, ranks: 2)) { try masking.replaceWindows(of: -1) }
        #expect(throws: GroupError.stepCounters(given: 2, expected: 1)) {
            try masking.adopt(step: StepNumbers(completed: [1, 2]))
        }
        configuration.link = try LinkModel(bytesPerSecond: 50e9, latencyNanoseconds: 5_000)
        #expect(throws: GroupError.maskWithLink) { try RankGroup(device: device, configuration: configuration) }
    }

    @Test func refusesCallsOutOfOrder() throws {
        let rank = try group().ranks[0]
        #expect(throws: GroupError.self) { try rank.combine() }
        let receive = try rank.dispatch()
        #expect(throws: GroupError.self) { try rank.dispatch() }
        try receive()
        #expect(throws: GroupError.self) { try receive() }
    }

    @Test func refusesRanksOfOtherSizesAndGroups() throws {
        let configuration = try group().configuration
        var other = configuration
        other.shape = try LayerShape(hidden: 128, intermediate: 128, experts: 8, topK: 2, ranks: 2, maxTokens: 7)
        let transports = try LocalTransport.group(ranks: 2)
        let first = try ExpertRank(device: device, configuration: configuration, transport: transports[0])
        let second = try ExpertRank(device: device, configuration: other, transport: transports[1])
        #expect(throws: GroupError.self) { try first.connect(within: 1) }
        #expect(throws: GroupError.notAllRanks([0, 1])) { try RankGroup([first, second]) }
    }

    @Test func refusesAStepBeforeRanksKnowEachOther() throws {
        let configuration = try group().configuration
        let transports = try LocalTransport.group(ranks: 2)
        let rank = try ExpertRank(device: device, configuration: configuration, transport: transports[1])
        #expect(throws: GroupError.notConnected(rank: 1)) { try rank.dispatch() }
        #expect(throws: TransportError.missingRanks([0], what: "window \"window\"", seconds: 0.001)) {
            try rank.connect(within: 0.001)
        }
        let lonely = try LocalTransport.group(ranks: 1)[0]
        #expect(throws: GroupError.rankCount(transport: 1, shape: 2)) {
            try ExpertRank(device: device, configuration: configuration, transport: lonely)
        }
        #expect(throws: GroupError.notAllRanks([1])) { try RankGroup([rank]) }
        #expect(throws: GroupError.notAllRanks([])) { try RankGroup([]) }
    }

    @Test func refusesOverlapsThatCannotWork() throws {
        let group = try group()
        let rank = group.ranks[0]
        func combine(threshold: Int = 1, multiprocessors: Int = 1, on stream: DeviceStream? = nil) throws {
            _ = try rank.combine(
                overlap: CombineOverlap(
                    signals: rank.signals, blockM: group.configuration.blockM, threshold: threshold,
                    multiprocessors: multiprocessors),
                on: stream)
        }
        #expect(throws: GroupError.threshold(0)) { try combine(threshold: 0) }
        #expect(throws: GroupError.splitImpossible(communication: 66, perRank: 66)) {
            try combine(multiprocessors: 66)
        }
        #expect(throws: GroupError.overlapOnComputeStream(rank: 0)) { try combine(on: rank.compute) }
        #expect(throws: GroupError.splitImpossible(communication: 0, perRank: 66)) {
            try combine(multiprocessors: 0, on: rank.communication)
        }
    }
}
