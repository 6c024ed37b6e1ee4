extension ModelFamily {
    /// GLM-4.5, 4.6 and 4.7: the layer of DeepSeek-V3; `config.json` does not say so, the model's code does.
    static let glm4MoE = ModelFamily(
        name: "glm-4.5", title: "GLM-4.5, 4.5-Air, 4.6, 4.7", modelTypes: ["glm4_moe"],
        architecture: "Glm4MoeForCausalLM",
        note: "FP8 with a scale for each row of weights, and activation scales that are finer than one for each token",
        router: .deepSeekV3(scale: 1),
        shared: .multiple(PerLayerKey("n_shared_experts"), absent: 1),
        layers: .afterDense(ConfigurationKey("first_k_dense_replace", absent: 1)),
        predictionLayers: ConfigurationKey("num_nextn_predict_layers", absent: 0), fixed: deepSeekV3Values)
}
