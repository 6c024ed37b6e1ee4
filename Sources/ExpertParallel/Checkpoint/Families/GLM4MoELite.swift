extension ModelFamily {
    /// GLM-4.7-Flash: as GLM-4.5.
    static let glm4MoELite = ModelFamily(
        name: "glm-4.7-flash", title: "GLM-4.7-Flash", modelTypes: ["glm4_moe_lite"],
        architecture: "Glm4MoeLiteForCausalLM", router: .deepSeekV3(scale: 1.8),
        shared: .multiple(PerLayerKey("n_shared_experts"), absent: 1),
        layers: .types("mlp_layer_types", orAfterDense: ConfigurationKey("first_k_dense_replace", absent: 1)),
        predictionLayers: ConfigurationKey("num_nextn_predict_layers", absent: 0), fixed: deepSeekV3Values)
}
