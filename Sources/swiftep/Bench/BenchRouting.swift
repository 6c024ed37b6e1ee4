import ExpertKernels
import ExpertParallel
import KernelLanguage

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#elseif canImport(Darwin)
    import Darwin
#endif

/// How tokens of a benchmark choose their experts. All is drawn from fixed seeds.
enum BenchRouting: Hashable, CustomStringConvertible {
    /// Each expert is as likely as any other.
    case even
    /// Some experts are more popular than others: popularities follow a power law with this exponent.
    case skewed(Double)

    var description: String {
        switch self {
        case .even: "even"
        case .skewed(let exponent): "skewed \(exponent)"
        }
    }

    /// Random tokens of all ranks, `maxTokens` each, which choose by this routing. Tokens and weights are the same
    /// with every routing.
    func inputs(_ shape: LayerShape) -> [RankInput] {
        (0..<shape.ranks).map { rank in
            var random = RandomStream(seed: 1, name: "input of rank \(rank)")
            let tokens = shape.maxTokens
            let states = (0..<tokens * shape.hidden).map { _ in BFloat16(random.normal()) }
            let even = (0..<tokens).flatMap { _ in
                (0..<Int64(shape.experts)).shuffled(using: &random).prefix(shape.topK)
            }
            let weights = (0..<tokens * shape.topK).map { _ in 0.1 + random.uniform() }
            let experts =
                switch self {
                case .even: even
                case .skewed(let exponent): Self.skewed(shape, rank: rank, exponent)
                }
            return RankInput(
                hiddenStates: states,
                routing: Routing(tokens: tokens, topK: shape.topK, experts: experts, weights: weights))
        }
    }

    /// Rows of each expert, among those of all ranks.
    static func rows(_ inputs: [RankInput], _ shape: LayerShape) -> [Int] {
        var rows = [Int](repeating: 0, count: shape.experts)
        for input in inputs {
            for expert in input.routing.experts where expert >= 0 { rows[Int(expert)] += 1 }
        }
        return rows
    }

    /// Popularities of experts, as public benchmarks draw how many tokens an expert gets: between 1 and 0.8 times the
    /// tokens of all ranks, with a density that falls as the power `-exponent`.
    static func popularities(_ shape: LayerShape, _ exponent: Double) -> [Double] {
        var random = RandomStream(seed: 1, name: "popularity of experts")
        let most = max(1, 0.8 * Double(shape.ranks * shape.maxTokens))
        return (0..<shape.experts).map { _ in
            let share = Double(random.uniform())
            // The inverse of the cumulative distribution.
            if exponent == 1 { return pow(most, share) }
            return pow((pow(most, 1 - exponent) - 1) * share + 1, 1 / (1 - exponent))
        }
    }

    /// Each token's experts, without repeating one: those of the smallest exponential variates with the popularities
    /// as rates, as if they were drawn one after the other.
    private static func skewed(_ shape: LayerShape, rank: Int, _ exponent: Double) -> [Int64] {
        let popularities = popularities(shape, exponent)
        var random = RandomStream(seed: 1, name: "skewed routing of rank \(rank)")
        return (0..<shape.maxTokens).flatMap { _ in
            let keys = popularities.map { popularity in
                // Not 0, whose logarithm is not finite.
                -log(Double(random.uniform()) + 0x1p-25) / popularity
            }
            return keys.indices.sorted { (keys[$0], $0) < (keys[$1], $1) }.prefix(shape.topK).map(Int64.init)
        }
    }
}
