extension ModelFamily {
    /// Ling and Ring 1: softmax over all experts, and a shared expert.
    static let bailingMoE = ModelFamily(
        name: "ling-1", title: "Ling and Ring 1 (lite, plus)", modelTypes: ["bailing_moe"],
        architecture: "BailingMoeForCausalLM", experts: PerLayerKey("num_experts"),
        router: .softmax(normalised: nil),
        shared: .multiple(PerLayerKey("num_shared_experts"), absent: 0),
        layers: .afterDense(ConfigurationKey("first_k_dense_replace", absent: 0)),
        tensors: .named(shared: "mlp.shared_experts."),
        fixed: ["multi_gate": [false], "score_function": ["softmax"]])
}
