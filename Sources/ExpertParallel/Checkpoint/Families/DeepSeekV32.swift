extension ModelFamily {
    /// DeepSeek-V3.2: the layer of V3, under another type because of its attention.
    static let deepSeekV32 = ModelFamily(
        name: "deepseek-v3.2", title: "DeepSeek-V3.2", modelTypes: ["deepseek_v32"],
        architecture: "DeepseekV32ForCausalLM",
        note: "as published with activation scales that are powers of two (`scale_fmt` ue8m0)",
        router: .deepSeekV3(),
        shared: .multiple(PerLayerKey("n_shared_experts"), absent: nil),
        layers: .types("mlp_layer_types", orAfterDense: ConfigurationKey("first_k_dense_replace")),
        predictionLayers: ConfigurationKey("num_nextn_predict_layers", absent: 0), fixed: deepSeekV3Values)
}
