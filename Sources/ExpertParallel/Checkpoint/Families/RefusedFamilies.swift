extension ModelFamily {
    /// Families that are known, and whose layers cannot be run here, with the reason.
    static let refused: [ModelFamily] = [
        refused(
            "deepseek-v4.1", "DeepSeek-V4.1", ["deepseek_v41"],
            "its router treats tokens of images by a rule of its own"),
        refused(
            "glm-5.3-flash-text", "GLM-5.3-Flash, text alone", ["glm5_next_text"],
            "it is published as `glm5_next`, and where its layers stand without that is not defined"),
        refused(
            "gpt-oss", "gpt-oss", ["gpt_oss"],
            "its experts have biases, and rows of gate and up in turns"),
        refused(
            "kimi-k3", "Kimi-K3", ["kimi_k3"],
            "its experts work on a latent vector, with an activation other than SwiGLU"),
        refused("llama4", "Llama 4", ["llama4", "llama4_text"], "its routing weights multiply the experts' input"),
        refused(
            "longcat", "LongCat-Flash", ["longcat_flash"], "some of its experts compute nothing and return the token"),
        refused(
            "minimax-m3-text", "MiniMax-M3, text alone", ["minimax_m3"],
            "it is published as `minimax_m3_vl`, and where its layers stand without that is not defined"),
    ]

    private static func refused(
        _ name: String, _ title: String, _ modelTypes: [String], _ reason: String
    ) -> ModelFamily {
        ModelFamily(
            name: name, title: title, modelTypes: modelTypes, architecture: "", refusal: reason,
            router: RouterRule(scoring: .softmax, normalise: .never), layers: .all)
    }
}
