import Accelerator
import Conformance
import ExpertKernels
import ExpertParallel
import KernelLanguage
import Testing
import Transport

/// A rank that is started again, with windows somewhere else, while the others keep theirs and their graphs.
@Suite struct RestartTests {
    @Test(arguments: OverlapMode.allCases) func comesBackWithNewWindows(_ mode: OverlapMode) throws {
        let shape = try LayerShape(
            hidden: 128, intermediate: 128, experts: 6, topK: 2, ranks: 3, maxTokens: 4, sharedExperts: 1)
        let fixture = LayerFixture(shape, tokens: [4, 2, 3], sharedIntermediate: 128)
        let device = SimulatedDevice(seed: 1)
        let plain = try fixture.layer(on: device)
        var configuration = plain.group.configuration
        configuration.onFailure = .mask
        configuration.waitLimit = maskWaitLimit(device)
        var transports = AliasTransport.group(ranks: 3)
        func makeRank(_ index: Int) throws -> ExpertRank {
            try ExpertRank(device: device, configuration: configuration, transport: transports[index])
        }
        func makeLayer(_ rank: ExpertRank) throws -> MoELayer {
            try MoELayer(rank, shared: fixture.shared(), weights: fixture.weights)
        }
        var ranks = try (0..<3).map(makeRank)
        for rank in ranks { try rank.connect() }
        var layers = try ranks.map(makeLayer)
        let captured = try layers.map { try $0.capture(overlap: mode) }

        func step(_ number: Int, _ taking: [Int]) throws {
            for (rank, input) in zip(ranks, fixture.inputs(step: number)) { try rank.load(input) }
            for rank in taking {
                // The others replay what they captured before.
                if rank < 2 {
                    try layers[rank].replay(captured[rank])
                } else {
                    try layers[rank].enqueue(overlap: mode)
                }
            }
            for rank in taking { try ranks[rank].synchronize() }
        }
        func requireExpected(_ number: Int) throws {
            let inputs = fixture.inputs(step: number)
            let found = try zip(ranks, inputs).map { try $0.output(tokens: $1.routing.tokens) }
            try requireIdentical(
                "\(mode), step \(number)", found, plain.step(inputs, overlap: .none), hidden: shape.hidden)
        }

        try step(0, [0, 1, 2])
        try requireExpected(0)
        // It dies in the middle of its step.
        _ = try ranks[2].dispatch()
        try step(1, [0, 1])
        try step(2, [0, 1])
        for rank in ranks[..<2] { #expect(try rank.maskedRanks().map(\.rank) == [2]) }

        transports[2] = transports[2].replacement()
        ranks[2] = try makeRank(2)
        try ranks[2].connect()
        layers[2] = try makeLayer(ranks[2])
        for rank in ranks[..<2] { try rank.replaceWindows(of: 2, within: 1) }
        try ranks[2].adopt(step: ranks[0].currentStep())
        for rank in ranks[..<2] { try rank.unmask(2) }
        for number in 3..<6 {
            try step(number, [0, 1, 2])
            try requireExpected(number)
        }
        for rank in ranks { #expect(try rank.maskedRanks().isEmpty) }
    }
}
