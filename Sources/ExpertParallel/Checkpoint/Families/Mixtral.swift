extension ModelFamily {
    /// Mixtral: softmax, always normalised.
    static let mixtral = ModelFamily(
        name: "mixtral", title: "Mixtral 8x7B, 8x22B", modelTypes: ["mixtral"], architecture: "MixtralForCausalLM",
        intermediate: PerLayerKey("intermediate_size"), experts: PerLayerKey("num_local_experts", "num_experts"),
        router: RouterRule(scoring: .softmax, normalise: .always), layers: .all, tensors: .mixtral())
}
