extension ModelFamily {
    /// Hunyuan-A13B: softmax, always normalised, and sizes that may be lists with one number for each layer.
    static let hunyuanMoE = ModelFamily(
        name: "hunyuan", title: "Hunyuan-A13B", modelTypes: ["hunyuan_v1_moe"],
        architecture: "HunYuanMoEV1ForCausalLM", intermediate: PerLayerKey("moe_intermediate_size"),
        experts: PerLayerKey("num_experts"), topK: PerLayerKey("moe_topk"),
        router: RouterRule(scoring: .softmax, normalise: .always),
        shared: .multiple(PerLayerKey("num_shared_expert"), absent: nil), layers: .all,
        tensors: TensorNames(
            parts: ["mlp."], router: "mlp.gate.wg.weight",
            experts: TensorNames.named().experts,
            shared: ("mlp.shared_mlp.gate_proj", "mlp.shared_mlp.up_proj", "mlp.shared_mlp.down_proj")),
        fixed: [
            "use_mixed_mlp_moe": [true], "norm_topk_prob": [true], "routed_scaling_factor": [1, false],
            "moe_layer_num_skipped": [0], "mlp_bias": [false],
        ],
        harmless: ["moe_drop_tokens", "moe_random_routing_dropped_token", "group_limited_greedy"])
}
