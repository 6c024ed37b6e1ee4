extension ModelFamily {
    /// Families that are known, and whose layers cannot be run here, with the reason.
    static let refused: [ModelFamily] = [
        refused(
            "deepseek-v4", "DeepSeek-V4", ["deepseek_v4", "deepseek_v41"],
            "its first layers choose experts by a table of token numbers, and its SwiGLU is clamped"),
        refused("glm-5.3-flash", "GLM-5.3-Flash", ["glm5_next", "glm5_next_text"], "its SwiGLU is clamped"),
        refused(
            "gpt-oss", "gpt-oss", ["gpt_oss"],
            "its experts have biases and a clamped SwiGLU of their own, and 2880 channels are no multiple of 128"),
        refused(
            "kimi-k3", "Kimi-K3", ["kimi_k3"],
            "its experts work on a latent vector, with an activation other than SwiGLU"),
        refused("llama4", "Llama 4", ["llama4", "llama4_text"], "its routing weights multiply the experts' input"),
        refused(
            "longcat", "LongCat-Flash", ["longcat_flash"], "some of its experts compute nothing and return the token"),
        refused(
            "minimax-m3", "MiniMax-M3", ["minimax_m3", "minimax_m3_vl"], "its SwiGLU is clamped and has a factor"),
    ]

    private static func refused(
        _ name: String, _ title: String, _ modelTypes: [String], _ reason: String
    ) -> ModelFamily {
        ModelFamily(
            name: name, title: title, modelTypes: modelTypes, architecture: "", refusal: reason,
            router: RouterRule(scoring: .softmax, normalise: .never), layers: .all)
    }
}
