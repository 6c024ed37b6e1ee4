extension ModelFamily {
    /// ERNIE-4.5, text models: softmax, a bias for the choice `[1, experts]`, always normalised.
    static let ernie45 = ModelFamily(
        name: "ernie-4.5", title: "ERNIE-4.5 (21B-A3B, 300B-A47B)", modelTypes: ["ernie4_5_moe"],
        architecture: "Ernie4_5_MoeForCausalLM", experts: PerLayerKey("moe_num_experts", "num_experts"),
        topK: PerLayerKey("moe_k", "num_experts_per_tok"),
        router: RouterRule(scoring: .softmax, normalise: .always),
        shared: .multiple(PerLayerKey("moe_num_shared_experts"), absent: 0),
        layers: .range(
            start: ConfigurationKey("moe_layer_start_index"), end: ConfigurationKey("moe_layer_end_index", absent: -1),
            interval: ConfigurationKey("moe_layer_interval", absent: 1)),
        tensors: .named(choiceBias: "mlp.moe_statics.e_score_correction_bias", shared: "mlp.shared_experts."),
        fixed: ["moe_use_aux_free": [true], "moe_gate": ["topk"], "use_bias": [false]],
        harmless: ["moe_norm_min", "moe_capacity"])
}
