extension ModelFamily {
    /// DeepSeek-V2 and V2-Lite: softmax, in V2 from the groups with the best single experts, weights not normalised.
    ///
    /// Implementations disagree about `norm_topk_prob`: true, which no published model has; it is refused.
    static let deepSeekV2 = ModelFamily(
        name: "deepseek-v2", title: "DeepSeek-V2, V2-Lite", modelTypes: ["deepseek_v2"],
        architecture: "DeepseekV2ForCausalLM",
        router: RouterRule(
            scoring: .softmax, groups: RouterRule.Groups(score: .best), normalise: .never,
            scale: ConfigurationKey("routed_scaling_factor", absent: 1),
            methods: (
                ConfigurationKey("topk_method", absent: "greedy"), ["greedy": false, "group_limited_greedy": true]
            )),
        shared: .multiple(PerLayerKey("n_shared_experts"), absent: nil),
        layers: .afterDense(ConfigurationKey("first_k_dense_replace", absent: 0)),
        tensors: .named(shared: "mlp.shared_experts."),
        fixed: ["scoring_func": ["softmax"], "norm_topk_prob": [false], "moe_layer_freq": [1]])
}
