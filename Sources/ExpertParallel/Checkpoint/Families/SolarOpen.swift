extension ModelFamily {
    /// Solar-Open: the layer of DeepSeek-V3 in every layer; `config.json` does not say so, the model's code does.
    static let solarOpen = ModelFamily(
        name: "solar-open", title: "Solar-Open-100B", modelTypes: ["solar_open"], architecture: "SolarOpenForCausalLM",
        router: .deepSeekV3(scale: 1), shared: .multiple(PerLayerKey("n_shared_experts"), absent: 1), layers: .all,
        fixed: deepSeekV3Values.merging(["first_k_dense_replace": [0]]) { $1 })
}
