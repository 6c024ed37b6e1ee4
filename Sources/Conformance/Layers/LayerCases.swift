import Accelerator
import ExpertKernels
import ExpertParallel
import KernelLanguage

/// Whole layers: every mode against the FP64 reference and against each other, two steps on the same buffers.
func layerCases() -> [ConformanceCase] {
    tokenCountCases() + rankCases() + selectionCases() + sizeCases() + blockEdgeCases() + powerOfTwoCases()
        + gateCases() + channelScaleCases() + activationCases() + paddedLayerCases()
}

/// A layer case; all values that tell it from others go into the name.
func layerCase(
    hidden: Int = 256, intermediate: Int = 128, experts: Int, topK: Int, tokens: [Int],
    pattern: LayerFixture.Pattern = .random, shared: Int? = nil, gate: Bool = false, blockM: Int? = nil,
    splits: Bool = true, scales: ScaleFormat = .float32, channelScales: Bool = false, activation: Activation = .plain
) -> ConformanceCase {
    var name = "layer hidden=\(hidden) intermediate=\(intermediate) experts=\(experts) topK=\(topK) tokens=\(tokens)"
    name +=
        " pattern=\(pattern.rawValue) shared=\(shared ?? 0)" + (gate ? " with a gate" : "")
        + (blockM.map { " blockM=\($0)" } ?? "")
        + (splits ? "" : " without a split") + (scales == .float32 ? "" : " scales=\(scales.rawValue)")
        + (channelScales ? " channel scales" : "")
        + (activation == .plain ? "" : " activation=[\(activation)]")
    return ConformanceCase(name) { device in
        let shape = try LayerShape(
            hidden: hidden, intermediate: intermediate, experts: experts, topK: topK, ranks: tokens.count,
            maxTokens: max(1, tokens.max() ?? 1),
            sharedExperts: ExpertWeights.parts(ofShared: shared, intermediate: intermediate))
        let fixture = LayerFixture(
            shape, tokens: tokens, pattern: pattern, sharedIntermediate: shared, hasSharedGate: gate,
            channelScales: channelScales)
        try checkLayer(
            fixture, blockM: blockM, splits: splits, scales: scales, activation: activation, on: device)
    }
}

/// Two steps in every mode, on the same layer.
///
/// - Parameter splits: Whether the combine send has multiprocessors of its own beside the down GEMM.
func checkLayer(
    _ fixture: LayerFixture, blockM: Int?, splits: Bool, scales: ScaleFormat = .float32,
    activation: Activation = .plain, on device: any Device
) throws {
    let layer = try fixture.layer(
        on: device, blockM: blockM, communicating: splits ? fixture.split(of: device) : 0, scaleFormat: scales,
        activation: activation)
    for step in 0..<2 {
        let inputs = fixture.inputs(step: step)
        let plain = try layer.step(inputs, overlap: .none)
        let judge = try LayerJudge(layer, inputs, shared: fixture.shared(), weights: fixture.weights)
        let verdict = judge.judge(plain)
        try require(
            verdict.passed,
            "step \(step): relative error \(verdict.relativeError) (limit \(LayerVerification.relativeErrorLimit)), "
                + "distance without quantisation \(verdict.unquantisedDistance) "
                + "(limit \(LayerVerification.unquantisedDistanceLimit))")
        if activation != .plain {
            try require(!isPlain(layer, inputs, plain, fixture), "step \(step): plain SwiGLU gives the same")
        }
        for mode in OverlapMode.allCases where mode != .none {
            try requireIdentical(
                "step \(step), \(mode)", try layer.step(inputs, overlap: mode), plain, hidden: fixture.shape.hidden)
        }
    }
}

/// Whether a step's rows and outputs are right for plain SwiGLU as well.
private func isPlain(
    _ layer: MoELayerGroup, _ inputs: [RankInput], _ outputs: [[BFloat16]], _ fixture: LayerFixture
) throws -> Bool {
    var configuration = layer.group.configuration
    configuration.activation = .plain
    do {
        return try LayerJudge(
            configuration, inputs, observed: layer.observedExperts(inputs, missing: .none), shared: fixture.shared(),
            weights: fixture.weights
        ).judge(outputs).passed
    } catch is ReferenceError {
        return false
    }
}

private func tokenCountCases() -> [ConformanceCase] {
    [[0, 0], [1, 0], [0, 1], [1, 1], [5, 2], [16, 16]].flatMap { tokens in
        [true, false].map { layerCase(experts: 8, topK: 2, tokens: tokens, shared: 128, splits: $0) }
    }
}

private func rankCases() -> [ConformanceCase] {
    (1...8).map { ranks in
        layerCase(experts: ranks * 2, topK: 2, tokens: (0..<ranks).map { 3 + $0 % 3 })
    }
}

private func selectionCases() -> [ConformanceCase] {
    [1, 8, 16].map { layerCase(experts: 16, topK: $0, tokens: [4, 3]) }
        + [.sparse, .allToOne, .firstRank, .nothing].map { (pattern: LayerFixture.Pattern) in
            layerCase(experts: 8, topK: 4, tokens: [6, 3], pattern: pattern, shared: 256)
        }
}

private func sizeCases() -> [ConformanceCase] {
    [128, 1024, 3584, 7168].map { layerCase(hidden: $0, experts: 4, topK: 2, tokens: [2, 3]) }
        + [
            layerCase(hidden: 512, intermediate: 768, experts: 4, topK: 2, tokens: [3, 4], shared: 384),
            // K of both GEMMs is cut into slices.
            layerCase(hidden: 1024, intermediate: 1024, experts: 4, topK: 2, tokens: [3, 40]),
        ]
}

/// Scales of activations that are powers of two, with SwiGLU in a kernel of its own and in the GEMM.
private func powerOfTwoCases() -> [ConformanceCase] {
    [
        layerCase(experts: 8, topK: 2, tokens: [5, 2], shared: 128, scales: .powerOfTwo),
        layerCase(
            hidden: 384, intermediate: 256, experts: 8, topK: 3, tokens: [4, 0, 3, 6], pattern: .sparse, splits: false,
            scales: .powerOfTwo),
        // With so many tiles for each multiprocessor that they are wide.
        layerCase(
            hidden: 128, intermediate: 512, experts: 32, topK: 2, tokens: [2, 1, 0, 3, 1, 2, 1, 2],
            scales: .powerOfTwo),
    ]
        + TileShape.heights.map {
            layerCase(
                hidden: 512, intermediate: 256, experts: 4, topK: 2, tokens: [17, 9], blockM: $0, scales: .powerOfTwo)
        }
}

/// A shared expert that counts as much as each token says: of one part and of several, without tokens, with another
/// first token of the second half.
private func gateCases() -> [ConformanceCase] {
    [
        layerCase(experts: 8, topK: 2, tokens: [5, 2], shared: 128, gate: true),
        layerCase(experts: 8, topK: 2, tokens: [0, 1], shared: 128, gate: true, splits: false),
        layerCase(experts: 8, topK: 4, tokens: [6, 0, 3, 7], pattern: .sparse, shared: 384, gate: true),
        layerCase(experts: 8, topK: 1, tokens: [9], pattern: .nothing, shared: 256, gate: true, splits: false),
        layerCase(
            hidden: 512, intermediate: 768, experts: 4, topK: 2, tokens: [3, 4], shared: 384, gate: true,
            scales: .powerOfTwo),
    ]
}

/// Weights with a scale for each row beside others in blocks: narrow and wide tiles, and a shared expert of a part and
/// a half.
private func channelScaleCases() -> [ConformanceCase] {
    [
        layerCase(experts: 8, topK: 2, tokens: [5, 2], shared: 128, channelScales: true),
        layerCase(
            hidden: 384, intermediate: 256, experts: 8, topK: 3, tokens: [4, 0, 3, 6], pattern: .sparse, shared: 384,
            splits: false, channelScales: true),
        // With so many tiles for each multiprocessor that they are wide.
        layerCase(
            hidden: 128, intermediate: 512, experts: 32, topK: 2, tokens: [2, 1, 0, 3, 1, 2, 1, 2],
            channelScales: true),
    ]
        + TileShape.heights.map {
            layerCase(
                hidden: 512, intermediate: 256, experts: 4, topK: 2, tokens: [17, 9], blockM: $0, channelScales: true)
        }
}

/// Variants of SwiGLU, in a kernel of its own and in the GEMM. Gates and ups are about normal: limits far below those
/// of models clamp as many of them.
private func activationCases() -> [ConformanceCase] {
    let variants = [
        Activation(limit: 0.7), Activation(limit: 0.5, sharedLimit: 1.1, clamping: .output),
        Activation(limit: 0.9, alpha: 1.702, offset: 1), Activation(limit: nil, sharedLimit: 0.6),
    ]
    return variants.flatMap { activation in
        [
            layerCase(experts: 8, topK: 2, tokens: [5, 2], shared: 256, activation: activation),
            // With so many tiles for each multiprocessor that they are wide.
            layerCase(
                hidden: 128, intermediate: 512, experts: 32, topK: 2, tokens: [2, 1, 0, 3, 1, 2, 1, 2], shared: 512,
                activation: activation),
        ]
    } + [
        layerCase(
            hidden: 128, intermediate: 512, experts: 32, topK: 2, tokens: [2, 1, 0, 3, 1, 2, 1, 2], splits: false,
            scales: .powerOfTwo, activation: Activation(limit: 0.7))
    ]
}

/// Rows of one expert at the edges of blocks, with every block height.
private func blockEdgeCases() -> [ConformanceCase] {
    [63, 64, 65].flatMap { rows in
        TileShape.heights.map {
            layerCase(hidden: 128, experts: 2, topK: 1, tokens: [rows], pattern: .allToOne, blockM: $0)
        }
    }
}

/// Shapes of real models; for GPUs.
func fullSizeCases() -> [ConformanceCase] {
    [16, 128].map {
        layerCase(
            hidden: 7168, intermediate: 2048, experts: 32, topK: 8, tokens: [$0, $0], shared: 2048)
    } + [
        layerCase(hidden: 2048, intermediate: 768, experts: 64, topK: 8, tokens: [32, 17, 0, 5, 64, 1, 2, 3]),
        layerCase(
            hidden: 2048, intermediate: 768, experts: 64, topK: 8, tokens: [32, 17, 0, 5, 64, 1, 2, 3], splits: false),
        layerCase(hidden: 7168, intermediate: 2048, experts: 16, topK: 8, tokens: [64], blockM: 16),
        // As Qwen3-Next has it, with fewer experts.
        layerCase(
            hidden: 2048, intermediate: 512, experts: 64, topK: 10, tokens: [32, 17], shared: 512, gate: true),
    ] + paddedFullSizeCases()
}
