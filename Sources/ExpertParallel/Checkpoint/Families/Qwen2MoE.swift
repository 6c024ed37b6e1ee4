extension ModelFamily {
    /// Qwen1.5-MoE and Qwen2-MoE: softmax, not normalised, and a shared expert with a gate.
    static let qwen2MoE = ModelFamily(
        name: "qwen2-moe", title: "Qwen1.5-MoE, Qwen2-57B-A14B", modelTypes: ["qwen2_moe"],
        architecture: "Qwen2MoeForCausalLM", experts: PerLayerKey("num_experts", "num_local_experts"),
        router: .softmax(normalised: false),
        shared: .width(ConfigurationKey("shared_expert_intermediate_size"), gated: true),
        layers: .everyNth(ConfigurationKey("decoder_sparse_step", absent: 1), except: "mlp_only_layers"),
        tensors: .named(shared: "mlp.shared_expert.", sharedGate: "mlp.shared_expert_gate.weight"))
}
