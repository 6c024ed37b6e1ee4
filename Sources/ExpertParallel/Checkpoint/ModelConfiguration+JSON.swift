#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

extension ModelConfiguration {
    /// Reads and checks a `config.json`.
    ///
    /// Throws `fileUnreadable`, `configurationMalformed` for text that is no such object, and `configurationInvalid` for
    /// a value out of range.
    public init(file: String) throws(CheckpointError) {
        let mapping = try MappedFile(path: file)
        do {
            self = try JSONDecoder().decode(ModelConfiguration.self, from: Data(mapping.bytes))
        } catch {
            throw .configurationMalformed(file: file, reason: decodingReason(error))
        }
        try validate(file: file)
    }
}

extension ModelConfiguration: Codable {
    private enum CodingKeys: String, CodingKey {
        case modelType = "model_type"
        case architectures
        case hidden = "hidden_size"
        case intermediate = "moe_intermediate_size"
        case experts = "n_routed_experts"
        case expertsOfQwen = "num_experts"
        case topK = "num_experts_per_tok"
        case sharedExperts = "n_shared_experts"
        case groups = "n_group"
        case groupsKept = "topk_group"
        case normalisesWeights = "norm_topk_prob"
        case routedScale = "routed_scaling_factor"
        case scoring = "scoring_func"
        case topKMethod = "topk_method"
        case denseLayers = "first_k_dense_replace"
        case layers = "num_hidden_layers"
        case quantisation = "quantization_config"
        case activation = "hidden_act"
        case layerFrequency = "moe_layer_freq"
        case elementType = "torch_dtype"
    }

    private struct Quantisation: Codable {
        var method: String?
        var format: String?
        var activationScheme: String?
        var weightBlock: [Int]?

        enum CodingKeys: String, CodingKey {
            case method = "quant_method"
            case format = "fmt"
            case activationScheme = "activation_scheme"
            case weightBlock = "weight_block_size"
        }
    }

    /// Reads the keys of Hugging Face; optional ones have the values that the model's own code gives them.
    public init(from decoder: any Decoder) throws {
        let values = try decoder.container(keyedBy: CodingKeys.self)
        let modelType = try values.decodeIfPresent(String.self, forKey: .modelType) ?? ""
        let experts =
            if let count = try values.decodeIfPresent(Int.self, forKey: .expertsOfQwen) {
                count
            } else {
                try values.decode(Int.self, forKey: .experts)
            }
        let groups = try values.decodeIfPresent(Int.self, forKey: .groups)
        let scoring =
            try values.decodeIfPresent(String.self, forKey: .scoring)
            ?? (["deepseek_v3", "kimi_k2"].contains(modelType) ? "sigmoid" : "softmax")
        self.init(
            modelType: modelType,
            hidden: try values.decode(Int.self, forKey: .hidden),
            intermediate: try values.decode(Int.self, forKey: .intermediate),
            experts: experts,
            topK: try values.decode(Int.self, forKey: .topK),
            sharedExperts: try values.decodeIfPresent(Int.self, forKey: .sharedExperts) ?? 0,
            groups: groups ?? 1,
            groupsKept: try values.decodeIfPresent(Int.self, forKey: .groupsKept) ?? 1,
            normalisesWeights: try values.decodeIfPresent(Bool.self, forKey: .normalisesWeights) ?? true,
            routedScale: try values.decodeIfPresent(Double.self, forKey: .routedScale) ?? 1,
            scoring: scoring,
            topKMethod: try values.decodeIfPresent(String.self, forKey: .topKMethod)
                ?? (scoring == "sigmoid" ? "noaux_tc" : "greedy"),
            denseLayers: try values.decodeIfPresent(Int.self, forKey: .denseLayers) ?? 0,
            layers: try values.decode(Int.self, forKey: .layers),
            weightBlock: try values.decodeIfPresent(Quantisation.self, forKey: .quantisation)?.weightBlock)
    }

    /// Writes the keys of DeepSeek-V3, with `quantization_config` where there is a weight block.
    public func encode(to encoder: any Encoder) throws {
        var values = encoder.container(keyedBy: CodingKeys.self)
        try values.encode(modelType, forKey: .modelType)
        try values.encode(["DeepseekV3ForCausalLM"], forKey: .architectures)
        try values.encode(hidden, forKey: .hidden)
        try values.encode(intermediate, forKey: .intermediate)
        try values.encode(experts, forKey: .experts)
        try values.encode(topK, forKey: .topK)
        try values.encode(sharedExperts, forKey: .sharedExperts)
        try values.encode(groups, forKey: .groups)
        try values.encode(groupsKept, forKey: .groupsKept)
        try values.encode(normalisesWeights, forKey: .normalisesWeights)
        try values.encode(routedScale, forKey: .routedScale)
        try values.encode(scoring, forKey: .scoring)
        try values.encode(topKMethod, forKey: .topKMethod)
        try values.encode(denseLayers, forKey: .denseLayers)
        try values.encode(layers, forKey: .layers)
        try values.encode("silu", forKey: .activation)
        try values.encode(1, forKey: .layerFrequency)
        try values.encode("bfloat16", forKey: .elementType)
        if let weightBlock {
            try values.encode(
                Quantisation(method: "fp8", format: "e4m3", activationScheme: "dynamic", weightBlock: weightBlock),
                forKey: .quantisation)
        }
    }
}
