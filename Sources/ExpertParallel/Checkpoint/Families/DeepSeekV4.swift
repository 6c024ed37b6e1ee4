extension ModelFamily {
    /// DeepSeek-V4: square root of softplus with a bias for the choice, clamped SwiGLU, names of its own. The first
    /// layers choose experts by token ids.
    ///
    /// The limit applies to the shared expert too, as in transformers and in the model's own code since it was revised;
    /// the code's first version left the shared expert alone.
    static let deepSeekV4 = ModelFamily(
        name: "deepseek-v4", title: "DeepSeek-V4 (Flash, Pro)", modelTypes: ["deepseek_v4"],
        architecture: "DeepseekV4ForCausalLM",
        note: "as published with MXFP4 experts and activation scales that are powers of two (`scale_fmt` ue8m0)",
        layerPrefix: "layers.",
        router: RouterRule(
            scoring: .squareRootOfSoftplus, normalise: .always, scale: ConfigurationKey("routed_scaling_factor")),
        shared: .multiple(PerLayerKey("n_shared_experts"), absent: nil), layers: .all,
        tensors: TensorNames(
            parts: ["ffn."], router: "ffn.gate.weight", choiceBias: "ffn.gate.bias",
            experts: [.single(gate: "ffn.experts.#.w1", up: "ffn.experts.#.w3", down: "ffn.experts.#.w2")],
            shared: ("ffn.shared_experts.w1", "ffn.shared_experts.w3", "ffn.shared_experts.w2"), scale: "scale"),
        activation: .limit(ConfigurationKey("swiglu_limit")),
        tokenRouted: TokenRoutedRule(
            count: ConfigurationKey("num_hash_layers"), types: "mlp_layer_types", names: ("hash_moe", "moe"),
            table: "ffn.gate.tid2eid"),
        fixed: [
            "scoring_func": ["sqrtsoftplus"], "topk_method": ["noaux_tc"], "norm_topk_prob": [true],
            "n_shared_experts": [1], "expert_dtype": ["fp8", "fp4"], "mlp_bias": [false],
        ])
}
