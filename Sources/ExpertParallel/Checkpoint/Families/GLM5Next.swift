extension ModelFamily {
    /// GLM-5.3-Flash: the layer of GLM-5 with clamped SwiGLU, below `text_config` and `model.language_model`.
    static let glm5Next = ModelFamily(
        name: "glm-5.3-flash", title: "GLM-5.3-Flash", modelTypes: ["glm5_next"],
        architecture: "Glm5NextForConditionalGeneration", section: "text_config",
        layerPrefix: "model.language_model.layers.", router: .deepSeekV3(scale: 2.5),
        shared: .multiple(PerLayerKey("n_shared_experts"), absent: 1),
        layers: .types("mlp_layer_types", orAfterDense: ConfigurationKey("first_k_dense_replace", absent: 3)),
        predictionLayers: ConfigurationKey("num_nextn_predict_layers", absent: 0),
        activation: .limit(ConfigurationKey("swiglu_limit", absent: 10)), fixed: deepSeekV3Values)
}
