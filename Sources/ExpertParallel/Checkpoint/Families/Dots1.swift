extension ModelFamily {
    /// dots.llm1: the layer of DeepSeek-V3, whose `scoring_func` says `noaux_tc` and means sigmoid.
    static let dots1 = ModelFamily(
        name: "dots1", title: "dots.llm1", modelTypes: ["dots1"], architecture: "Dots1ForCausalLM",
        router: .deepSeekV3(normalised: false, scale: 1),
        shared: .multiple(PerLayerKey("n_shared_experts"), absent: nil),
        layers: .afterDense(ConfigurationKey("first_k_dense_replace", absent: 0)),
        fixed: ["scoring_func": ["sigmoid", "noaux_tc"], "topk_method": ["noaux_tc"], "moe_layer_freq": [1]])
}
