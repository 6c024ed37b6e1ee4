extension ModelFamily {
    /// Step-3.5: the router of DeepSeek-V3 without groups, experts in three stacked tensors; the last layers clamp
    /// SwiGLU, behind the sigmoid, and the shared expert to another limit.
    static let step35 = ModelFamily(
        name: "step-3.5", title: "Step-3.5-Flash", modelTypes: ["step3p5"], architecture: "Step3p5ForCausalLM",
        experts: PerLayerKey("moe_num_experts", "n_routed_experts"),
        topK: PerLayerKey("moe_top_k", "num_experts_per_tok"),
        router: RouterRule(
            scoring: .sigmoid, normalise: .key(ConfigurationKey("norm_expert_weight")),
            scale: ConfigurationKey("moe_router_scaling_factor")),
        shared: .width(ConfigurationKey("share_expert_dim", "share_expert_dims"), gated: false),
        layers: .enumerated("moe_layers_enum"),
        predictionLayers: nil,
        tensors: TensorNames(
            parts: ["moe.", "share_expert."], router: "moe.gate.weight", choiceBias: "moe.router_bias",
            experts: [.stacked(gate: "moe.gate_proj", up: "moe.up_proj", down: "moe.down_proj")],
            shared: ("share_expert.gate_proj", "share_expert.up_proj", "share_expert.down_proj")),
        activation: .lists(routed: "swiglu_limits", shared: "swiglu_limits_shared"),
        fixed: [
            "moe_router_activation": ["sigmoid"], "use_moe_router_bias": [true], "use_moe": [true],
            "moe_every_n_layer": [1], "mlp_bias": [false],
        ],
        harmless: ["need_fp32_gate"])
}
