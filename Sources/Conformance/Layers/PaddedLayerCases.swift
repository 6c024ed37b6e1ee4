import ExpertKernels
import ExpertParallel

/// Layers whose sizes are no multiples of 128: of a token, between the projections, or both.
func paddedLayerCases() -> [ConformanceCase] {
    [
        layerCase(hidden: 200, intermediate: 72, experts: 8, topK: 2, tokens: [5, 2], shared: 72),
        layerCase(hidden: 328, intermediate: 128, experts: 8, topK: 2, tokens: [5, 0], splits: false),
        layerCase(hidden: 256, intermediate: 136, experts: 8, topK: 2, tokens: [0, 6]),
        layerCase(hidden: 8, intermediate: 8, experts: 4, topK: 2, tokens: [3, 4]),
        // A shared expert of two parts, the second of which ends within a block.
        layerCase(
            hidden: 328, intermediate: 72, experts: 8, topK: 3, tokens: [4, 0, 3, 6], pattern: .sparse, shared: 200,
            gate: true, channelScales: true),
        // With so many tiles for each multiprocessor that they are wide.
        layerCase(
            hidden: 200, intermediate: 456, experts: 32, topK: 2, tokens: [2, 1, 0, 3, 1, 2, 1, 2], shared: 456,
            channelScales: true, activation: Activation(limit: 0.9, alpha: 1.702, offset: 1)),
    ]
        + TileShape.heights.map {
            layerCase(
                hidden: 328, intermediate: 136, experts: 4, topK: 2, tokens: [17, 9], blockM: $0, scales: .powerOfTwo)
        }
}

/// The size of gpt-oss; for GPUs.
func paddedFullSizeCases() -> [ConformanceCase] {
    [
        layerCase(hidden: 2880, intermediate: 2880, experts: 32, topK: 4, tokens: [32, 17]),
        layerCase(hidden: 2880, intermediate: 2880, experts: 32, topK: 4, tokens: [128], shared: 2880, splits: false),
    ]
}
