import ExpertKernels
import ExpertParallel
import KernelLanguage

/// Hidden states of about normal distribution for each rank, routed by the checkpoint's router.
func randomInputs(_ source: LayerSource, tokens: Int, seed: UInt64) throws -> [RankInput] {
    let shape = source.shape
    let router = try Router(
        configuration: source.checkpoint.configuration.router(), weights: source.checkpoint.router(),
        hidden: shape.hidden)
    return try (0..<shape.ranks).map { rank in
        var stream = RandomStream(seed: seed, name: "hidden states of rank \(rank)")
        let states = (0..<tokens * shape.hidden).map { _ in BFloat16(stream.normal()) }
        return RankInput(hiddenStates: states, routing: try router.route(states))
    }
}
