extension ModelFamily {
    /// MiniMax-M2 and 2.5: sigmoid with a bias for the choice, always normalised, names of Mixtral.
    static let miniMaxM2 = ModelFamily(
        name: "minimax-m2", title: "MiniMax-M2, M2.1, M2.5", modelTypes: ["minimax_m2"],
        architecture: "MiniMaxM2ForCausalLM", intermediate: PerLayerKey("intermediate_size"),
        experts: PerLayerKey("num_local_experts", "num_experts"),
        router: RouterRule(scoring: .sigmoid, normalise: .always), layers: .all,
        tensors: .mixtral(choiceBias: "block_sparse_moe.e_score_correction_bias"),
        fixed: [
            "scoring_func": ["sigmoid"], "use_routing_bias": [true], "shared_intermediate_size": [0],
            "routed_scaling_factor": [1], "norm_topk_prob": [true],
        ],
        harmless: ["shared_moe_mode"])
}
