extension ModelFamily {
    /// GLM-5 to 5.2: the layer of DeepSeek-V3.
    static let glmMoEDSA = ModelFamily(
        name: "glm-5", title: "GLM-5, 5.1, 5.2", modelTypes: ["glm_moe_dsa"], architecture: "GlmMoeDsaForCausalLM",
        experts: PerLayerKey("n_routed_experts", "num_experts"),
        router: .deepSeekV3(scale: 2.5), shared: .multiple(PerLayerKey("n_shared_experts"), absent: 1),
        layers: .types("mlp_layer_types", orAfterDense: ConfigurationKey("first_k_dense_replace", absent: 3)),
        predictionLayers: ConfigurationKey("num_nextn_predict_layers", absent: 0), fixed: deepSeekV3Values)
}
