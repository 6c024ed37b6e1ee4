/// The shape of a mixture-of-experts model, as its `config.json` gives it.
///
/// Reads the keys of DeepSeek-V3 and of models that share them (Kimi), and `num_experts` of Qwen3-MoE.
public struct ModelConfiguration: Hashable, Sendable {
    /// `model_type`, such as `deepseek_v3`.
    public var modelType: String
    /// `hidden_size`: channels of a token.
    public var hidden: Int
    /// `moe_intermediate_size`: channels between the two projections of one expert.
    public var intermediate: Int
    /// `n_routed_experts`: experts of one layer.
    public var experts: Int
    /// `num_experts_per_tok`: experts that each token goes to.
    public var topK: Int
    /// `n_shared_experts`: the shared expert is this many times as wide as a routed one; 0 for none.
    public var sharedExperts: Int
    /// `n_group`: equal groups that the experts are divided into.
    public var groups: Int
    /// `topk_group`: groups that a token may choose experts from.
    public var groupsKept: Int
    /// `norm_topk_prob`: whether the chosen experts' weights are divided by their sum.
    public var normalisesWeights: Bool
    /// `routed_scaling_factor`: factor on all weights.
    public var routedScale: Double
    /// `scoring_func`: `sigmoid` or `softmax`.
    public var scoring: String
    /// `topk_method`: `noaux_tc` (groups and a correction bias) or `greedy`.
    public var topKMethod: String
    /// `first_k_dense_replace`: this many layers at the start have no experts.
    public var denseLayers: Int
    /// `num_hidden_layers`.
    public var layers: Int
    /// `quantization_config.weight_block_size`: rows and columns for each scale; nil without quantised weights.
    public var weightBlock: [Int]?

    /// A configuration; what is left out is as in DeepSeek-V3.
    public init(
        modelType: String = "deepseek_v3", hidden: Int = 7168, intermediate: Int = 2048, experts: Int = 256,
        topK: Int = 8, sharedExperts: Int = 1, groups: Int = 8, groupsKept: Int = 4, normalisesWeights: Bool = true,
        routedScale: Double = 2.5, scoring: String = "sigmoid", topKMethod: String = "noaux_tc", denseLayers: Int = 3,
        layers: Int = 61, weightBlock: [Int]? = [128, 128]
    ) {
        self.modelType = modelType
        self.hidden = hidden
        self.intermediate = intermediate
        self.experts = experts
        self.topK = topK
        self.sharedExperts = sharedExperts
        self.groups = groups
        self.groupsKept = groupsKept
        self.normalisesWeights = normalisesWeights
        self.routedScale = routedScale
        self.scoring = scoring
        self.topKMethod = topKMethod
        self.denseLayers = denseLayers
        self.layers = layers
        self.weightBlock = weightBlock
    }

    /// Channels between the two projections of the shared expert; 0 without one.
    public var sharedIntermediate: Int { sharedExperts * intermediate }

    /// Whether the router has a correction bias.
    public var hasCorrectionBias: Bool { topKMethod == "noaux_tc" }

    /// How the router of this model chooses; throws a `RouterError` where that makes no sense.
    public func router() throws(RouterError) -> RouterConfiguration {
        // Greedy models may carry group counts that they do not use.
        let grouped = hasCorrectionBias
        return try RouterConfiguration(
            experts: experts, topK: topK, groups: grouped ? groups : 1, groupsKept: grouped ? groupsKept : 1,
            normalise: normalisesWeights, scale: Float(routedScale),
            scoring: scoring == "softmax" ? .softmax : .sigmoid)
    }
}

extension ModelConfiguration {
    /// Throws `configurationInvalid`, naming `file` and the key, unless all values are in range and fit together.
    func validate(file: String) throws(CheckpointError) {
        func check(
            _ key: String, _ value: Int, _ range: ClosedRange<Int>, _ expected: String? = nil
        ) throws(CheckpointError) {
            guard range.contains(value) else {
                throw .configurationInvalid(
                    file: file, key: key, value: "\(value)",
                    expected: expected ?? "between \(range.lowerBound) and \(range.upperBound)")
            }
        }
        func check(_ key: String, _ value: String, oneOf choices: [String]) throws(CheckpointError) {
            guard choices.contains(value) else {
                throw .configurationInvalid(
                    file: file, key: key, value: value, expected: choices.joined(separator: " or "))
            }
        }
        try check("hidden_size", hidden, 1...1 << 20)
        try check("moe_intermediate_size", intermediate, 1...1 << 20)
        try check("n_routed_experts", experts, 1...1 << 16)
        try check("num_experts_per_tok", topK, 1...experts, "between 1 and the \(experts) experts")
        try check("n_shared_experts", sharedExperts, 0...64)
        try check("num_hidden_layers", layers, 1...100_000)
        try check("first_k_dense_replace", denseLayers, 0...layers)
        try check("scoring_func", scoring, oneOf: ["sigmoid", "softmax"])
        try check("topk_method", topKMethod, oneOf: ["noaux_tc", "greedy"])
        try check("n_group", groups, 1...experts)
        if hasCorrectionBias, experts % groups != 0 {
            throw .configurationInvalid(
                file: file, key: "n_group", value: "\(groups)", expected: "a divisor of the \(experts) experts")
        }
        try check("topk_group", groupsKept, 1...groups, "between 1 and the \(groups) groups")
        if hasCorrectionBias, topK > experts / groups * groupsKept {
            throw .configurationInvalid(
                file: file, key: "num_experts_per_tok", value: "\(topK)",
                expected: "at most the \(experts / groups * groupsKept) experts of \(groupsKept) groups")
        }
        guard routedScale.isFinite, routedScale > 0, Float(routedScale).isFinite else {
            throw .configurationInvalid(
                file: file, key: "routed_scaling_factor", value: "\(routedScale)", expected: "a positive number")
        }
        if let weightBlock, weightBlock != [QuantisedMatrix.block, QuantisedMatrix.block] {
            throw .configurationInvalid(
                file: file, key: "quantization_config.weight_block_size", value: "\(weightBlock)",
                expected: "[128, 128]")
        }
    }
}
