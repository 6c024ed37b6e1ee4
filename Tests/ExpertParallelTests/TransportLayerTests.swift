import Accelerator
import Conformance
import ExpertKernels
import ExpertParallel
import KernelLanguage
import Testing
import Transport

/// The layer over a transport whose ranks see windows at addresses of their own: nothing above `Transport` may rely on
/// more.
@Suite struct TransportLayerTests {
    @Test(arguments: [1, 2, 4], [DispatchFormat.float8])
    func givesTheBitsOfLocalRanks(_ ranks: Int, _ format: DispatchFormat) throws {
        let shape = try LayerShape(
            hidden: 256, intermediate: 128, experts: 8, topK: 2, ranks: ranks, maxTokens: 8, sharedExperts: 1)
        let fixture = LayerFixture(
            shape, tokens: (0..<ranks).map { [8, 0, 5, 1][$0] }, pattern: .sparse, sharedIntermediate: 128)
        let device = SimulatedDevice(seed: 1)
        let local = try fixture.layer(on: device)
        let layer = try fixture.layer(on: device, mapsWindowsAnew: true)
        let inputs = fixture.inputs()
        let expected = try local.step(inputs, overlap: .none)
        for mode in OverlapMode.allCases {
            try requireIdentical(
                "\(mode)", try layer.step(inputs, overlap: mode), expected, hidden: shape.hidden)
            let captured = try layer.capture(overlap: mode)
            for step in 1..<4 {
                let other = fixture.inputs(step: step)
                try layer.group.load(other)
                try layer.replay(captured)
                try layer.group.synchronize()
                try requireIdentical(
                    "\(mode), replay \(step)", try layer.outputs(other), try local.step(other, overlap: .none),
                    hidden: shape.hidden)
            }
        }
        // The reference too: what observes the layer's rows finds them.
        _ = try layer.step(inputs, overlap: .direct)
        let judge = try LayerJudge(layer, inputs, shared: fixture.shared(), weights: fixture.weights)
        #expect(judge.judge(expected).passed)
    }

    /// Every rank has another address for the same window.
    @Test func windowsLieAtDifferentAddresses() throws {
        let device = SimulatedDevice(seed: 1)
        let transports = AliasTransport.group(ranks: 3)
        for transport in transports { _ = try transport.makeWindow("w", bytes: 4096, on: device) }
        let seen = try transports.map { try $0.windows("w", within: 1) }
        for rank in 0..<3 { #expect(Set(seen.map { $0[rank].address }).count == 3) }
    }

    /// A model's times are those of one GPU's clock; ranks of this transport count as ranks on several.
    @Test func refusesAModelledCardBetweenGPUs() throws {
        let device = SimulatedDevice(seed: 1)
        var configuration = GroupConfiguration(
            shape: try LayerShape(hidden: 128, intermediate: 128, experts: 4, topK: 2, ranks: 2, maxTokens: 3),
            deviceMultiprocessors: device.properties.multiprocessors)
        let model = try NetworkModel(bytesPerSecond: 50e9, latencyNanoseconds: 5_000, messageNanoseconds: 200)
        configuration.network = GroupNetwork(.loopback, model: model)
        let transport = AliasTransport.group(ranks: 2)[0]
        #expect(throws: GroupError.modelAcrossGPUs(rank: 0, peer: 1)) {
            try ExpertRank(device: device, configuration: configuration, transport: transport)
        }
        configuration.network = nil
        _ = try ExpertRank(device: device, configuration: configuration, transport: transport)
    }
}
