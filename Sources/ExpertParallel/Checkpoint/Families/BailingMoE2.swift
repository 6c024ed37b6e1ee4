extension ModelFamily {
    /// Ling and Ring 2: the router of DeepSeek-V3 under names of its own, `score_function` and `expert_bias`.
    static let bailingMoE2 = ModelFamily(
        name: "ling-2", title: "Ling and Ring 2 (mini, flash, 1T)", modelTypes: ["bailing_moe_v2", "llada2_moe"],
        architecture: "BailingMoeV2ForCausalLM", experts: PerLayerKey("num_experts"),
        router: RouterRule(
            scoring: .sigmoid, groups: RouterRule.Groups(), normalise: .ofSeveral,
            scale: ConfigurationKey("routed_scaling_factor")),
        shared: .multiple(PerLayerKey("num_shared_experts"), absent: nil),
        layers: .afterDense(ConfigurationKey("first_k_dense_replace")),
        predictionLayers: ConfigurationKey("num_nextn_predict_layers", absent: 0),
        tensors: .named(choiceBias: "mlp.gate.expert_bias", shared: "mlp.shared_experts."),
        fixed: [
            "score_function": ["sigmoid"], "moe_router_enable_expert_bias": [true], "norm_topk_prob": [true],
            "moe_router_enable_routed_scaling": [true], "moe_router_enable_shared_expert": [true],
        ],
        harmless: ["moe_router_topk_scaling_factor"])
}
