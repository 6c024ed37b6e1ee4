import Accelerator
import ExpertKernels
import ExpertParallel
import KernelLanguage
import Testing

/// A case, its experts' choices as numpy has them, and numpy's output of rounded activations.
struct RoundedLayer {
    let checkpoint: MoELayerCheckpoint
    let input: RankInput
    let output: [Double]
    let activation: Activation

    /// The case of this name, in a directory of cases.
    init(_ name: String, in cases: String? = nil) throws {
        let directory = try (cases ?? FamilyCases.directory()) + "/" + name
        let expected = try FamilyExpectation(directory: directory)
        let chosen = try #require(expected.chosen)
        checkpoint = try MoELayerCheckpoint(directory: directory, layer: expected.layer)
        input = RankInput(
            hiddenStates: expected.hidden.map { BFloat16(bits: $0) },
            routing: Routing(
                tokens: chosen.count, topK: chosen[0].count, experts: chosen.flatMap { $0 },
                weights: try #require(expected.weights).flatMap { $0 }.map { Float($0) }))
        output = try #require(expected.rounded).flatMap { $0 }
        activation = checkpoint.configuration.activation(ofLayer: expected.layer)
    }

    /// The reference's output.
    func reference(_ scales: ScaleFormat, _ activation: Activation? = nil) throws -> [Double] {
        let model = checkpoint.configuration
        var reference = try LayerReference(
            experts: model.experts, hidden: model.hidden, intermediate: model.intermediate, scaleFormat: scales)
        reference.activation = activation ?? self.activation
        return try reference.output(of: [input], shared: checkpoint.sharedExpert(), weights: checkpoint.expert)[0]
    }

    /// The kernels' output, on one rank of the simulator.
    func kernels(
        _ scales: ScaleFormat, _ mode: OverlapMode, _ activation: Activation? = nil, channelScales: Bool? = nil
    ) throws -> [Double] {
        let model = checkpoint.configuration
        let device = SimulatedDevice(seed: 1)
        let shape = try LayerShape(
            hidden: model.hidden, intermediate: model.intermediate, experts: model.experts, topK: model.topK,
            ranks: 1, maxTokens: input.routing.tokens, sharedExperts: model.sharedExperts)
        var configuration = GroupConfiguration(
            shape: shape, deviceMultiprocessors: device.properties.multiprocessors)
        configuration.scaleFormat = scales
        configuration.channelScales = channelScales ?? checkpoint.hasChannelScales
        configuration.activation = activation ?? self.activation
        configuration.twoBatch = true
        let layer = try MoELayerGroup(
            RankGroup(device: device, configuration: configuration), shared: checkpoint.sharedExpert(),
            weights: checkpoint.expert)
        return try layer.step([input], overlap: mode)[0].map { Double($0.float) }
    }
}
