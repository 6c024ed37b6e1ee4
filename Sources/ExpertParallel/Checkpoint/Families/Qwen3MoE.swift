extension ModelFamily {
    /// Qwen3-MoE: softmax, no shared expert.
    static let qwen3MoE = ModelFamily(
        name: "qwen3-moe", title: "Qwen3-30B-A3B, 235B-A22B, Coder", modelTypes: ["qwen3_moe"],
        architecture: "Qwen3MoeForCausalLM", experts: PerLayerKey("num_experts", "num_local_experts"),
        router: .softmax(normalised: false),
        layers: .everyNth(ConfigurationKey("decoder_sparse_step", absent: 1), except: "mlp_only_layers"),
        tensors: .named())
}
