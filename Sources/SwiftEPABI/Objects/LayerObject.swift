import Accelerator
import CSwiftEP
import ExpertKernels
import ExpertParallel

/// A rank with one layer.
final class LayerObject {
    let device: DeviceObject
    let rank: ExpertRank
    let layer: MoELayer

    init(
        _ group: GroupObject, rank number: Int, _ given: swiftep_layer_configuration,
        _ weights: swiftep_layer_weights
    ) throws {
        device = group.device
        let shape = try LayerShape(
            hidden: Int(given.hidden), intermediate: Int(given.intermediate), experts: Int(given.experts),
            topK: Int(given.top_k), ranks: group.ranks, maxTokens: Int(given.max_tokens),
            sharedExperts: Self.sharedParts(given))
        let properties = device.device.properties
        let communicating = given.communication_multiprocessors
        var configuration = GroupConfiguration(
            shape: shape, deviceMultiprocessors: properties.multiprocessors, ranksOnDevice: group.ranksOnDevice,
            blockM: given.block_m == 0 ? nil : Int(given.block_m),
            communicationMultiprocessors: communicating == 0 ? nil : Int(communicating) - 1,
            waitLimit: Choices.waitLimit(given.wait_seconds),
            link: try Choices.link(
                bytesPerSecond: given.link_bytes_per_second, latencySeconds: given.link_latency_seconds))
        configuration.scaleFormat = try Choices.scales(given.scales)
        configuration.hasSharedGate = try Choices.flag("shared_gate", given.shared_gate)
        configuration.activation = try Choices.activation(given)
        configuration.twoBatch = try Choices.flag("two_batch", given.two_batch)
        configuration.setsL2Aside = try Choices.flag("set_l2_aside", given.set_l2_aside)
        configuration.network = group.network
        if given.multiprocessors > 0 { configuration.multiprocessors = Int(given.multiprocessors) }
        if try Choices.flag("mask", given.mask) { configuration.onFailure = .mask }
        let adopted = try Self.adopt(weights, shape, shared: Int(given.shared_intermediate), device.device)
        // What the caller has enqueued may still write the weights.
        try device.device.synchronize()
        let (made, device) = (configuration, device.device)
        (rank, layer) = try group.make(number) { transport in
            let rank = try ExpertRank(device: device, configuration: made, transport: transport)
            try rank.prepareToPoll()
            return (rank, try MoELayer(rank, weights: adopted))
        }
    }

    /// Enqueues a step on a stream of the caller's.
    func step(_ tokens: MoELayer.EngineTokens, overlap: UInt32, on stream: UInt64) throws {
        try layer.enqueue(overlap: Choices.overlap(overlap), tokens, on: device.stream(stream))
    }

    private static func sharedParts(_ given: swiftep_layer_configuration) throws(ShapeError) -> Int {
        let (shared, intermediate) = (Int(given.shared_intermediate), Int(given.intermediate))
        guard shared > 0, intermediate > 0 else { return 0 }
        guard shared % LayerWeights.channelStep == 0 else {
            throw ShapeError(
                name: "shared_intermediate", value: shared,
                range: LayerWeights.channelStep...LayerShape.mostIntermediate, step: LayerWeights.channelStep)
        }
        return ExpertWeights.parts(ofShared: shared, intermediate: intermediate)
    }

    private static func adopt(
        _ given: swiftep_layer_weights, _ shape: LayerShape, shared: Int, _ device: any Device
    ) throws -> LayerWeights {
        func matrices(
            _ name: String, _ values: UInt64, _ scales: UInt64, count: Int, rows: Int, columns: Int
        ) throws -> LayerWeights.Matrices {
            let blocks = count * ScaleGroup.groups(rows) * ScaleGroup.groups(columns)
            return LayerWeights.Matrices(
                values: try device.adopt(address: values, bytes: count * rows * columns, label: name) {},
                scales: try device.adopt(address: scales, bytes: blocks * 4, label: "scales of \(name)") {})
        }
        let (hidden, intermediate, local) = (shape.hidden, shape.intermediate, shape.localExperts)
        var result = LayerWeights(
            gateUp: try matrices(
                "gate_up", given.gate_up, given.gate_up_scales, count: 2 * local, rows: intermediate,
                columns: hidden),
            down: try matrices(
                "down", given.down, given.down_scales, count: local, rows: hidden, columns: intermediate))
        if shared > 0 {
            result.shared = LayerWeights.Shared(
                gateUp: try matrices(
                    "shared_gate_up", given.shared_gate_up, given.shared_gate_up_scales, count: 2,
                    rows: shared, columns: hidden),
                down: try matrices(
                    "shared_down", given.shared_down, given.shared_down_scales, count: 1, rows: hidden,
                    columns: shared), intermediate: shared)
        }
        return result
    }

    /// The layer with this number.
    static func find(_ number: swiftep_layer) throws(ABIError) -> LayerObject {
        try Handles.find(number, LayerObject.self, "layer")
    }
}
