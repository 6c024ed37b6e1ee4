extension ModelFamily {
    /// MiniMax-M3: the router of MiniMax-M2 with a factor, a shared expert, and the clamped SwiGLU of gpt-oss; below
    /// `text_config` and `language_model`.
    static let miniMaxM3 = ModelFamily(
        name: "minimax-m3", title: "MiniMax-M3", modelTypes: ["minimax_m3_vl"],
        architecture: "MiniMaxM3SparseForConditionalGeneration",
        note: "MXFP8 checkpoints are refused: their scales are for 32 channels", section: "text_config",
        layerPrefix: "language_model.model.layers.", intermediate: PerLayerKey("intermediate_size"),
        experts: PerLayerKey("num_local_experts"),
        router: RouterRule(
            scoring: .sigmoid, normalise: .always, scale: ConfigurationKey("routed_scaling_factor", absent: 2)),
        shared: .width(ConfigurationKey("shared_intermediate_size"), gated: false), layers: .flags("moe_layer_freq"),
        tensors: {
            var names = TensorNames.mixtral(choiceBias: "block_sparse_moe.e_score_correction_bias")
            let shared = "block_sparse_moe.shared_experts."
            names.shared = (shared + "gate_proj", shared + "up_proj", shared + "down_proj")
            return names
        }(),
        activation: .limit(
            ConfigurationKey("swiglu_limit", absent: 7), alpha: ConfigurationKey("swiglu_alpha", absent: 1.702),
            offset: 1),
        hiddenActs: ["swigluoai"],
        fixed: [
            "scoring_func": ["sigmoid"], "use_routing_bias": [true], "norm_topk_prob": [true],
            "n_shared_experts": [1],
        ])
}
