import Accelerator
import ExpertKernels
import ExpertParallel
import KernelLanguage
import TestSupport
import Testing

/// Models whose shared expert has a gate: router and kernels against numpy.
@Suite(
    "Families: gates on the shared expert",
    .enabled(if: Python.hasNumPy || Python.isRequired, "python3 with numpy is not installed"))
struct SharedGateTests {
    static let names = ["qwen2-moe", "qwen3-next", "qwen3.5-moe"]

    /// The layer on one rank of the simulator.
    private func layer(_ checkpoint: MoELayerCheckpoint, tokens: Int) throws -> MoELayerGroup {
        let (model, device) = (checkpoint.configuration, SimulatedDevice(seed: 1))
        let shape = try LayerShape(
            hidden: model.hidden, intermediate: model.intermediate, experts: model.experts, topK: model.topK,
            ranks: 1, maxTokens: tokens, sharedExperts: model.sharedExperts)
        var configuration = GroupConfiguration(
            shape: shape, deviceMultiprocessors: device.properties.multiprocessors)
        configuration.hasSharedGate = model.hasSharedGate
        configuration.twoBatch = true
        return try MoELayerGroup(
            RankGroup(device: device, configuration: configuration), shared: checkpoint.sharedExpert(),
            weights: checkpoint.expert)
    }

    @Test("The kernels agree with numpy in all modes, and with an open gate they do not", arguments: names)
    func kernels(_ name: String) throws {
        let directory = try FamilyCases.directory() + "/" + name
        let expected = try FamilyExpectation(directory: directory)
        let hidden = expected.hidden.map { BFloat16(bits: $0) }
        let outputs = try #require(expected.outputs).flatMap { $0 }
        let checkpoint = try MoELayerCheckpoint(directory: directory, layer: expected.layer)
        let router = try Router(
            configuration: checkpoint.configuration.router(), weights: checkpoint.router(),
            hidden: checkpoint.configuration.hidden)
        var input = RankInput(hiddenStates: hidden, routing: try router.route(hidden))
        let tokens = input.routing.tokens
        let layer = try layer(checkpoint, tokens: tokens)
        func error(_ mode: OverlapMode) throws -> Double {
            relativeError(try layer.step([input], overlap: mode)[0].map { Double($0.float) }, outputs)
        }
        // Activations are rounded to FP8 here, and not there.
        for mode in OverlapMode.allCases { #expect(try error(mode) < 0.06, "\(mode)") }
        input.routing.sharedWeights = [Float](repeating: 1, count: tokens)
        #expect(try error(.none) > 0.15)
    }
}
