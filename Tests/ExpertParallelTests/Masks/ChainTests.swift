import Accelerator
import Conformance
import ExpertKernels
import ExpertParallel
import KernelLanguage
import Simulator
import Testing

/// A rank that waits for a dead one is late for the others, and is not masked for it.
@Suite struct ChainTests {
    private static let waitLimit = 0.25

    /// Rank 0 needs rank 1, which needs rank 2, which dies.
    private func group(_ mode: OverlapMode, seed: UInt64) throws -> MoELayerGroup {
        let shape = try LayerShape(hidden: 128, intermediate: 128, experts: 6, topK: 1, ranks: 3, maxTokens: 3)
        let device = SimulatedDevice(
            configuration: SimulatorConfiguration(multiprocessors: 6, seed: seed, instructionLimit: 400_000_000))
        return try LayerFixture(shape, tokens: [3, 3, 3]).layer(
            on: device, communicating: 0, waitLimit: Self.waitLimit, halves: mode == .twoBatch, onFailure: .mask)
    }

    /// Tokens of each rank, all of which choose one expert.
    private func inputs(_ experts: [Int64], _ layer: MoELayerGroup) throws -> [RankInput] {
        let shape = layer.group.configuration.shape
        return LayerFixture(shape, tokens: [3, 3, 3]).inputs().enumerated().map { rank, input in
            var input = input
            input.routing.experts = [Int64](repeating: experts[rank], count: 3)
            return input
        }
    }

    private func requireOnly(_ dead: Int, maskedBy ranks: [Int], _ layer: MoELayerGroup, _ what: String) throws {
        for rank in ranks {
            let masked = try layer.group.ranks[rank].maskedRanks().map(\.rank)
            #expect(masked.allSatisfy { $0 == dead }, "\(what): rank \(rank) has masked \(masked)")
        }
    }

    /// Rank 2 tells rank 1 of rows and does not send them; rank 0 has nothing to do with it.
    @Test(arguments: [OverlapMode.none, .singleBatch, .direct], 1..<6 as Range<UInt64>)
    func deathInDispatch(_ mode: OverlapMode, _ seed: UInt64) throws {
        let layer = try group(mode, seed: seed)
        try layer.group.load(inputs([2, 0, 3], layer))
        for rank in layer.group.ranks[..<2] {
            for _ in 0..<3 { try layer.enqueue(rank, overlap: mode) }
        }
        try layer.group.ranks[2].dispatchNothing()
        try layer.group.synchronize()
        try requireOnly(2, maskedBy: [0, 1], layer, "\(mode), seed \(seed)")
        #expect(try layer.group.ranks[1].maskedRanks().count == 1)
        let output = try layer.group.ranks[0].output(tokens: 3)
        #expect(output.contains { $0.bits != 0 }, "rank 0 lacks the terms of rank 1")
    }

    /// Rank 2 has taken rank 1's rows and sends none home: rank 1 begins its next step late, for which rank 0 waits.
    @Test(arguments: [OverlapMode.none, .singleBatch, .direct], 1..<6 as Range<UInt64>)
    func deathInCombine(_ mode: OverlapMode, _ seed: UInt64) throws {
        let layer = try group(mode, seed: seed)
        try layer.group.load(inputs([2, 4, 0], layer))
        for rank in layer.group.ranks[..<2] {
            for _ in 0..<3 { try layer.enqueue(rank, overlap: mode) }
        }
        let receive = try layer.group.ranks[2].dispatch()
        try receive()
        try layer.group.synchronize()
        try requireOnly(2, maskedBy: [0, 1], layer, "\(mode), seed \(seed)")
        for rank in 0..<2 { #expect(try layer.group.ranks[rank].maskedRanks().count == 1) }
        #expect(try layer.group.ranks[0].output(tokens: 3).contains { $0.bits != 0 })
        #expect(try layer.group.ranks[1].output(tokens: 3).allSatisfy { $0.bits == 0 })
    }

    /// A rank that is only slow, and shows it by waiting for another slow one, is not masked, however deep the chain.
    @Test(arguments: OverlapMode.allCases) func slowRanksAreWaitedFor(_ mode: OverlapMode) throws {
        let shape = try LayerShape(hidden: 128, intermediate: 128, experts: 8, topK: 2, ranks: 4, maxTokens: 3)
        let fixture = LayerFixture(shape, tokens: [3, 2, 1, 3])
        let halts = (0..<4).map {
            RankHalt(
                rank: $0, afterInstructions: UInt64(20_000 + 30_000 * $0), nanoseconds: UInt64(0.2e9 * Self.waitLimit))
        }
        let device = SimulatedDevice(
            configuration: SimulatorConfiguration(
                multiprocessors: 16, seed: 1, instructionLimit: 400_000_000, halts: halts))
        let layer = try fixture.layer(
            on: device, communicating: 0, waitLimit: Self.waitLimit, halves: mode == .twoBatch, onFailure: .mask)
        let plain = try fixture.layer(on: SimulatedDevice(seed: 1))
        for step in 0..<3 {
            let inputs = fixture.inputs(step: step)
            try requireIdentical(
                "\(mode)", try layer.step(inputs, overlap: mode), plain.step(inputs, overlap: .none), hidden: 128)
        }
        #expect(try layer.group.maskedRanks().allSatisfy(\.isEmpty))
    }
}
