extension ModelFamily {
    /// Qwen3.5-MoE: as Qwen3-Next, always normalised, below `text_config` and `model.language_model`.
    static let qwen35MoE = ModelFamily(
        name: "qwen3.5-moe", title: "Qwen3.5-MoE", modelTypes: ["qwen3_5_moe"],
        architecture: "Qwen3_5MoeForConditionalGeneration", section: "text_config",
        layerPrefix: "model.language_model.layers.", experts: PerLayerKey("num_experts"),
        router: RouterRule(scoring: .softmax, normalise: .always),
        shared: .width(ConfigurationKey("shared_expert_intermediate_size"), gated: true), layers: .all,
        tensors: .named(shared: "mlp.shared_expert.", sharedGate: "mlp.shared_expert_gate.weight"),
        fixed: ["norm_topk_prob": [true]])
}
