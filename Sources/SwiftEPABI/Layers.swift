// Names and documentation are those of swiftep.h.
// swift-format-ignore-file: AlwaysUseLowerCamelCase, AllPublicDeclarationsHaveDocumentation

import CSwiftEP
import ExpertParallel

@c @implementation
public func swiftep_layer_create(
    _ group: swiftep_group, _ rank: UInt32, _ configuration: UnsafePointer<swiftep_layer_configuration>!,
    _ weights: UnsafePointer<swiftep_layer_weights>!, _ layer: UnsafeMutablePointer<swiftep_layer>!
) -> swiftep_result {
    attempt {
        let object = try GroupObject.find(group)
        let given = try structure(configuration, .init(), "the layer's configuration")
        let matrices = try structure(weights, .init(), "the layer's weights")
        _ = try require(layer, "layer")
        try write(Handles.keep(LayerObject(object, rank: Int(rank), given, matrices)), to: layer, "layer")
    }
}

@c @implementation
public func swiftep_layer_connect(_ layer: swiftep_layer, _ seconds: Double) -> swiftep_result {
    attempt { try LayerObject.find(layer).rank.connect(within: Choices.seconds(seconds)) }
}

@c @implementation
public func swiftep_layer_free(_ layer: swiftep_layer) -> swiftep_result {
    attempt { try Handles.drop(layer, LayerObject.self, "layer") }
}

@c @implementation
public func swiftep_layer_step(
    _ layer: swiftep_layer, _ stream: UInt64, _ overlap: UInt32, _ hiddenStates: UInt64, _ topkIndices: UInt64,
    _ topkWeights: UInt64, _ tokens: UInt32, _ output: UInt64
) -> swiftep_result {
    attempt {
        try LayerObject.find(layer).step(
            .init(
                count: Int(tokens), hiddenStates: hiddenStates, experts: topkIndices, weights: topkWeights,
                output: output), overlap: overlap, on: stream)
    }
}

@c @implementation
public func swiftep_layer_step_gated(
    _ layer: swiftep_layer, _ stream: UInt64, _ overlap: UInt32, _ hiddenStates: UInt64, _ topkIndices: UInt64,
    _ topkWeights: UInt64, _ sharedWeights: UInt64, _ tokens: UInt32, _ output: UInt64
) -> swiftep_result {
    attempt {
        try LayerObject.find(layer).step(
            .init(
                count: Int(tokens), hiddenStates: hiddenStates, experts: topkIndices, weights: topkWeights,
                sharedWeights: sharedWeights, output: output), overlap: overlap, on: stream)
    }
}

@c @implementation
public func swiftep_layer_poll(_ layer: swiftep_layer) -> swiftep_result {
    attempt { try LayerObject.find(layer).rank.poll() }
}

@c @implementation
public func swiftep_layer_check(_ layer: swiftep_layer) -> swiftep_result {
    attempt {
        let object = try LayerObject.find(layer)
        // Steps and graphs of the caller's may be on streams that the rank does not know.
        try object.rank.device.synchronize()
        try object.rank.synchronize()
    }
}

@c @implementation
public func swiftep_layer_reset(_ layer: swiftep_layer, _ seconds: Double) -> swiftep_result {
    attempt { try LayerObject.find(layer).rank.reset(within: Choices.seconds(seconds)) }
}

@c @implementation
public func swiftep_layer_mask(_ layer: swiftep_layer, _ rank: UInt32, _ masked: UInt32) -> swiftep_result {
    attempt {
        let own = try LayerObject.find(layer).rank
        if try Choices.flag("masked", masked) { try own.mask(Int(rank)) } else { try own.unmask(Int(rank)) }
    }
}

@c @implementation
public func swiftep_layer_masks(_ layer: swiftep_layer, _ stream: UInt64, _ status: UInt64) -> swiftep_result {
    attempt {
        let object = try LayerObject.find(layer)
        try object.rank.noteMasks(at: status, on: object.device.stream(stream))
    }
}
