import Accelerator
import ExpertKernels
import ExpertParallel
import KernelLanguage

extension Workload {
    /// Whole steps of a layer, one after the other on the same buffers.
    ///
    /// - Parameters:
    ///   - tokens: Of each rank.
    ///   - multiprocessors: Of each rank.
    public static func layer(
        _ shape: LayerShape, tokens: [Int], overlap: OverlapMode, steps: Int = 2, link: LinkModel? = nil,
        blockM: Int? = nil, multiprocessors: Int = 2
    ) -> Workload {
        let sizes =
            "hidden=\(shape.hidden) intermediate=\(shape.intermediate) experts=\(shape.experts) topK=\(shape.topK)"
        return Workload(
            "layer \(overlap.rawValue) \(sizes) tokens=\(tokens) shared=\(shape.sharedExperts) steps=\(steps)"
                + (link.map { " link=\($0)" } ?? "") + (blockM.map { " blockM=\($0)" } ?? ""),
            multiprocessors: shape.ranks * multiprocessors
        ) { device in
            let fixture = LayerFixture(
                shape, tokens: tokens,
                sharedIntermediate: shape.sharedExperts > 0 ? shape.sharedExperts * shape.intermediate : nil)
            let layer = try fixture.layer(on: device, blockM: blockM, link: link, halves: overlap == .twoBatch)
            return try (0..<steps).flatMap { step in
                try layer.step(fixture.inputs(step: step), overlap: overlap).map { $0.map(\.bits) }
            }
        }
    }
}
