extension ModelFamily {
    /// Qwen3-Next: softmax, normalised, and a shared expert with a gate.
    static let qwen3Next = ModelFamily(
        name: "qwen3-next", title: "Qwen3-Next-80B-A3B", modelTypes: ["qwen3_next"],
        architecture: "Qwen3NextForCausalLM", experts: PerLayerKey("num_experts", "num_local_experts"),
        router: .softmax(normalised: true),
        shared: .width(ConfigurationKey("shared_expert_intermediate_size"), gated: true),
        layers: .everyNth(ConfigurationKey("decoder_sparse_step", absent: 1), except: "mlp_only_layers"),
        tensors: .named(shared: "mlp.shared_expert.", sharedGate: "mlp.shared_expert_gate.weight"))
}
