import Accelerator
import ExpertKernels
import ExpertParallel
import KernelLanguage
import Simulator

extension Workload {
    /// How the steps of a layer are enqueued.
    package enum Enqueueing: String, Sendable {
        /// One after the other, each waited for.
        case stepwise
        /// Two steps in a graph that is replayed twice, nothing waited for in between.
        case replayed
        /// Three steps with nothing waited for in between, of which the second sends tokens to other ranks, and the
        /// first and third only to experts of their own.
        case streamed
    }

    /// Up to four steps of a layer, on the same buffers.
    ///
    /// - Parameters:
    ///   - tokens: Of each rank.
    ///   - multiprocessors: Of each rank.
    ///   - communicating: How many of them send beside the down GEMM.
    ///   - gate: Whether the shared expert has a gate.
    ///   - mapsWindowsAnew: Whether each rank sees the windows of the others at addresses of its own.
    ///   - simulated: What an engine's network does.
    package static func layer(
        _ shape: LayerShape, tokens: [Int], overlap: OverlapMode, enqueueing: Enqueueing = .stepwise,
        link: LinkModel? = nil, blockM: Int? = nil, multiprocessors: Int = 2, communicating: Int = 1,
        gate: Bool = false, notesArrivals: Bool = false, onFailure: FailurePolicy = .stop,
        mapsWindowsAnew: Bool = false, network: GroupNetwork? = nil,
        simulated: NetworkConfiguration = NetworkConfiguration()
    ) -> Workload {
        let sizes =
            "hidden=\(shape.hidden) intermediate=\(shape.intermediate) experts=\(shape.experts) topK=\(shape.topK)"
        return Workload(
            "layer \(overlap.rawValue) \(enqueueing.rawValue) \(sizes) tokens=\(tokens) shared=\(shape.sharedExperts)"
                + (gate ? " with a gate" : "") + " sms=\(multiprocessors)"
                + (communicating == 1 ? "" : " communicating=\(communicating)")
                + (link.map { " link=\($0)" } ?? "")
                + (blockM.map { " blockM=\($0)" } ?? "") + (notesArrivals ? " with arrivals" : "")
                + (onFailure == .mask ? " with masks" : "")
                + (mapsWindowsAnew ? " with windows mapped anew" : "")
                + (network.map { " network=\($0)" + ($0.adapter == .engine ? ", \(simulated.order.rawValue)" : "") }
                    ?? ""),
            multiprocessors: shape.ranks * multiprocessors, network: simulated
        ) { device in
            let fixture = LayerFixture(
                shape, tokens: tokens,
                sharedIntermediate: shape.sharedExperts > 0 ? shape.sharedExperts * shape.intermediate : nil,
                hasSharedGate: gate)
            let layer = try fixture.layer(
                on: device, blockM: blockM, communicating: communicating, link: link, halves: overlap == .twoBatch,
                notesArrivals: notesArrivals, onFailure: onFailure, mapsWindowsAnew: mapsWindowsAnew,
                network: network)
            switch enqueueing {
            case .stepwise:
                return try (0..<2).flatMap { step in
                    try layer.step(fixture.inputs(step: step), overlap: overlap).map { $0.map(\.bits) }
                }
            case .streamed: return try stream(layer, fixture, overlap)
            case .replayed:
                let inputs = fixture.inputs()
                let captured = try layer.capture(overlap: overlap, steps: 2)
                try layer.group.load(inputs)
                for _ in 0..<2 { try layer.replay(captured) }
                try layer.group.synchronize()
                return try layer.outputs(inputs).map { $0.map(\.bits) }
            }
        }
    }

    private static func stream(_ layer: MoELayerGroup, _ fixture: LayerFixture, _ overlap: OverlapMode) throws
        -> [[UInt16]]
    {
        let device = layer.group.device
        let inputs = fixture.inputs()
        let atHome = LayerFixture(fixture.shape, tokens: fixture.tokens, pattern: .ownRank).inputs()
        try layer.group.load(inputs)
        for choices in [atHome, inputs, atHome] {
            for (rank, choices) in zip(layer.group.ranks, choices) {
                let experts = try device.makeBuffer(choices.routing.experts, label: "choices")
                try device.copy(
                    from: experts, offset: 0, to: rank.experts, offset: 0, bytes: experts.bytes, on: rank.compute)
                try layer.enqueue(rank, overlap: overlap)
            }
        }
        try layer.group.synchronize()
        return try layer.outputs(inputs).map { $0.map(\.bits) }
    }
}
