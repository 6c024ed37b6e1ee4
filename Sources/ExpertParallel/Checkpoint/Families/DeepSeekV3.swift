extension ModelFamily {
    /// DeepSeek-V3, R1 and V3.1.
    static let deepSeekV3 = ModelFamily(
        name: "deepseek-v3", title: "DeepSeek-V3, R1, V3.1", modelTypes: ["deepseek_v3"],
        architecture: "DeepseekV3ForCausalLM",
        note: "V3.1 with activation scales that are powers of two (`scale_fmt` ue8m0)", router: .deepSeekV3(),
        shared: .multiple(PerLayerKey("n_shared_experts"), absent: nil),
        layers: .afterDense(ConfigurationKey("first_k_dense_replace")),
        predictionLayers: ConfigurationKey("num_nextn_predict_layers", absent: 0), fixed: deepSeekV3Values)

    /// Values that keys of DeepSeek-V3's router may have where they are there.
    static let deepSeekV3Values: [String: [JSONValue]] = [
        "scoring_func": ["sigmoid"], "topk_method": ["noaux_tc"], "moe_layer_freq": [1],
    ]
}
