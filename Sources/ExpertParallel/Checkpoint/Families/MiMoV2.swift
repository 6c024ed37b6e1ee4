extension ModelFamily {
    /// MiMo-V2-Flash: the router of DeepSeek-V3 without a shared expert; a list says which layers have experts.
    static let miMoV2 = ModelFamily(
        name: "mimo-v2", title: "MiMo-V2-Flash", modelTypes: ["mimo_v2_flash"],
        architecture: "MiMoV2FlashForCausalLM", router: .deepSeekV3(scale: 1), layers: .flags("moe_layer_freq"),
        tensors: .named(choiceBias: "mlp.gate.e_score_correction_bias"),
        fixed: ["scoring_func": ["sigmoid"], "topk_method": ["noaux_tc"], "n_shared_experts": [0]])
}
