import Accelerator
import Conformance
import ExpertKernels
import ExpertParallel
import KernelLanguage
import Simulator
import Testing

/// Queues of a network to a rank that has died, from which nothing is taken any more.
@Suite struct NetworkQueueTests {
    private static let tokens = [6, 5]

    private static var shape: LayerShape {
        get throws {
            try LayerShape(hidden: 128, intermediate: 128, experts: 8, topK: 3, ranks: 2, maxTokens: 6)
        }
    }

    /// Outputs of rank 0 in two steps in a row, after rank 1 has died.
    private func run(_ mode: OverlapMode, queueDepth: Int) throws -> [BFloat16] {
        let fixture = LayerFixture(try Self.shape, tokens: Self.tokens)
        let device = SimulatedDevice(
            configuration: SimulatorConfiguration(
                multiprocessors: 12, seed: 1, instructionLimit: 400_000_000,
                halts: [RankHalt(rank: 1, afterInstructions: 0)],
                network: NetworkConfiguration(queueDepth: queueDepth)))
        let layer = try fixture.layer(
            on: device, communicating: 0, waitLimit: 0.25, halves: mode == .twoBatch, onFailure: .mask,
            network: GroupNetwork(.engine))
        try layer.group.load(fixture.inputs())
        for _ in 0..<2 { try layer.enqueue(layer.group.ranks[0], overlap: mode) }
        try layer.group.ranks[0].synchronize()
        #expect(try layer.group.ranks[0].maskedRanks().map(\.rank) == [1])
        return try layer.group.ranks[0].output(tokens: Self.tokens[0])
    }

    /// With as many operations as the configuration asks for, the living go on.
    @Test(arguments: OverlapMode.allCases) func queuesThatAreDeepEnoughHoldUpNobody(_ mode: OverlapMode) throws {
        let depth = GroupNetwork.queueEntries(try Self.shape, halves: mode == .twoBatch)
        #expect(try run(mode, queueDepth: depth).contains { $0.bits != 0 })
    }

    /// With fewer than a step's rows all stops, and the diagnosis names the queue.
    @Test(arguments: OverlapMode.allCases) func queuesThatAreTooShallowAreNamed(_ mode: OverlapMode) throws {
        do {
            _ = try run(mode, queueDepth: 4)
            Issue.record("\(mode): a full queue held up nobody")
        } catch DeviceError.simulation(.deadlock(let blocked)) {
            #expect(
                blocked.contains { $0.waitsFor.hasPrefix("room in the network's queue to rank 1 on channel 1") },
                "\(mode): \(blocked)")
        }
    }

    /// A group is not made for a network that could stop it so.
    @Test func queuesThatAreTooShallowAreRefused() throws {
        var configuration = GroupConfiguration(shape: try Self.shape, deviceMultiprocessors: 12)
        // 18 rows each way, 4 numbers of rows, in two steps; 64 signs of life, and one notice.
        let needed = 2 * (2 * 18 + 4) + 65
        configuration.network = GroupNetwork(.engine, queueDepth: needed)
        try configuration.validate(deviceMultiprocessors: 12)
        configuration.network?.queueDepth = needed - 1
        #expect(throws: GroupError.networkQueue(needed - 1, needed: needed)) {
            try configuration.validate(deviceMultiprocessors: 12)
        }
        #expect("\(GroupError.networkQueue(needed - 1, needed: needed))".contains("hold 144 operations"))
        // Halves tell their numbers of rows each.
        configuration.network?.queueDepth = needed
        configuration.twoBatch = true
        #expect(throws: GroupError.networkQueue(needed, needed: needed + 8)) {
            try configuration.validate(deviceMultiprocessors: 12)
        }
        // In one node there are no queues.
        configuration.network?.ranksPerNode = 2
        try configuration.validate(deviceMultiprocessors: 12)
    }
}
