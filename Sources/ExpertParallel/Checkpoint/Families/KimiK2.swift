extension ModelFamily {
    /// Kimi-K2: the layer of DeepSeek-V3 with one group.
    static let kimiK2 = ModelFamily(
        name: "kimi-k2", title: "Kimi-K2, K2-Thinking", modelTypes: ["kimi_k2"],
        architecture: "DeepseekV3ForCausalLM",
        note: "K2-Thinking is refused where FP8 blocks do not hold its INT4 exactly", router: .deepSeekV3(),
        shared: .multiple(PerLayerKey("n_shared_experts"), absent: nil),
        layers: .afterDense(ConfigurationKey("first_k_dense_replace")),
        predictionLayers: ConfigurationKey("num_nextn_predict_layers", absent: 0), fixed: deepSeekV3Values)
}
