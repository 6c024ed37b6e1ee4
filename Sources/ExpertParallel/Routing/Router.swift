import KernelLanguage

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#elseif canImport(Darwin)
    import Darwin
#endif

/// The router of a layer, on the host: scores every expert for each token and chooses the best.
///
/// As in DeepSeek-V3 (arXiv 2412.19437, section 2.1.2): scores are the sigmoid of the logits; the correction bias is
/// added for the choice only; the groups with the largest sum of their two best biased scores stay; of their experts
/// the `topK` best are chosen; weights are the unbiased scores. Among equals the lower index wins. Other models score
/// and rank otherwise, see `RouterConfiguration`.
public struct Router: Sendable {
    /// How experts are chosen.
    public let configuration: RouterConfiguration
    /// Channels of a token.
    public let hidden: Int
    private let weights: RouterWeights
    private let weightRows: [Double]
    private let sharedGate: [Double]?

    /// A router for tokens of `hidden` channels.
    ///
    /// Throws `countMismatch` unless there are `experts * hidden` weights, `experts` biases and `hidden` weights of a
    /// gate, `optionInvalid` for a bias that is not finite.
    public init(
        configuration: RouterConfiguration, weights: RouterWeights, hidden: Int
    ) throws(RouterError) {
        guard hidden >= 1, hidden <= 1 << 24 else {
            throw .optionInvalid(option: "hidden", value: "\(hidden)", expected: "between 1 and \(1 << 24)")
        }
        guard weights.weight.count == configuration.experts * hidden else {
            throw .countMismatch(
                what: "weights", expected: configuration.experts * hidden, found: weights.weight.count)
        }
        guard weights.correctionBias.count == configuration.experts else {
            throw .countMismatch(
                what: "correction biases", expected: configuration.experts, found: weights.correctionBias.count)
        }
        if let logitBias = weights.logitBias, logitBias.count != configuration.experts {
            throw .countMismatch(what: "biases of logits", expected: configuration.experts, found: logitBias.count)
        }
        if let gate = weights.sharedGate, gate.count != hidden {
            throw .countMismatch(what: "weights of the shared expert's gate", expected: hidden, found: gate.count)
        }
        if let bias = weights.correctionBias.first(where: { !$0.isFinite }) {
            throw .optionInvalid(option: "correction bias", value: "\(bias)", expected: "a finite number")
        }
        self.configuration = configuration
        self.hidden = hidden
        self.weights = weights
        weightRows = weights.weight.map(Double.init)
        sharedGate = weights.sharedGate?.map(Double.init)
    }

    /// Routes hidden states `[tokens, hidden]`, row-major; no tokens is fine.
    ///
    /// Each token's experts stand in descending order of their biased scores; the shared expert's weight is the sigmoid
    /// of its gate's logit. Logits are summed in FP64 and rounded to FP32, so the result does not depend on the
    /// machine. Throws `countMismatch` when the array is no whole number of tokens, `scoreNotFinite` and
    /// `sharedScoreNotFinite` for hidden states or weights that lead there.
    public func route(_ hiddenStates: [BFloat16]) throws(RouterError) -> Routing {
        let tokens = hiddenStates.count / hidden
        guard hiddenStates.count == tokens * hidden else {
            throw .countMismatch(what: "hidden values", expected: (tokens + 1) * hidden, found: hiddenStates.count)
        }
        let topK = configuration.topK
        var routing = Routing(
            tokens: tokens, topK: topK, experts: [], weights: [], sharedWeights: sharedGate.map { _ in [] })
        routing.experts.reserveCapacity(tokens * topK)
        routing.weights.reserveCapacity(tokens * topK)
        for token in 0..<tokens {
            let row = hiddenStates[token * hidden..<(token + 1) * hidden].map { Double($0.float) }
            let scores = scores(ofLogits: logits(row))
            if let expert = scores.firstIndex(where: { !$0.isFinite }) {
                throw .scoreNotFinite(token: token, expert: expert)
            }
            let chosen = choose(scores)
            routing.experts += chosen.map(Int64.init)
            routing.weights += factors(chosen.map { scores[$0] })
            if let sharedGate {
                let weight = sharedGate.withUnsafeBufferPointer { gate in
                    row.withUnsafeBufferPointer { Self.sigmoid(Float(Self.product($0, gate))) }
                }
                guard weight.isFinite else { throw .sharedScoreNotFinite(token: token) }
                routing.sharedWeights?.append(weight)
            }
        }
        return routing
    }

    private func logits(_ row: [Double]) -> [Float] {
        row.withUnsafeBufferPointer { row in
            weightRows.withUnsafeBufferPointer { weights in
                (0..<configuration.experts).map { expert in
                    let weight = UnsafeBufferPointer(rebasing: weights[expert * hidden..<(expert + 1) * hidden])
                    return Float(Self.product(row, weight) + Double(self.weights.logitBias?[expert] ?? 0))
                }
            }
        }
    }

    private static func product(_ row: UnsafeBufferPointer<Double>, _ weight: UnsafeBufferPointer<Double>) -> Double {
        var sum = SIMD8<Double>.zero
        var channel = 0
        while channel + 8 <= row.count {
            for lane in 0..<8 {
                sum[lane] += row[channel + lane] * weight[channel + lane]
            }
            channel += 8
        }
        var total = sum.sum()
        while channel < row.count {
            total += row[channel] * weight[channel]
            channel += 1
        }
        return total
    }

    /// Infinite logits have a sigmoid, but they are a sign of overflow, which must not be hidden.
    private static func sigmoid(_ logit: Float) -> Float {
        logit.isFinite ? Float(1 / (1 + exp(-Double(logit)))) : .nan
    }

    private func scores(ofLogits logits: [Float]) -> [Float] {
        switch configuration.scoring {
        case .sigmoid:
            return logits.map(Self.sigmoid)
        case .squareRootOfSoftplus:
            return logits.map { logit in
                // log(1 + eˣ) = max(x, 0) + log(1 + e^-|x|), which does not overflow.
                let value = Double(logit)
                return logit.isFinite ? Float((max(value, 0) + log1p(exp(-value.magnitude))).squareRoot()) : .nan
            }
        case .softmaxOfChosen:
            return logits
        case .softmax:
            let largest = Double(logits.max() ?? 0)
            let powers = logits.map { exp(Double($0) - largest) }
            let sum = powers.reduce(0, +)
            return powers.map { Float($0 / sum) }
        }
    }

    /// The chosen experts, best first.
    private func choose(_ scores: [Float]) -> [Int] {
        let biased = zip(scores, weights.correctionBias).map { $0 + $1 }
        let size = configuration.experts / configuration.groups
        var eligible = Array(biased.indices)
        if configuration.groupsKept < configuration.groups {
            let groupScores = (0..<configuration.groups).map { group -> Float in
                let best = biased[group * size..<(group + 1) * size].sorted(by: >)
                return configuration.groupScore == .best ? best[0] : best.prefix(2).reduce(0, +)
            }
            let kept = Self.largest(configuration.groupsKept, of: Array(groupScores.indices), by: groupScores)
            eligible = kept.sorted().flatMap { $0 * size..<($0 + 1) * size }
        }
        return Self.largest(configuration.topK, of: eligible, by: biased)
    }

    private func factors(_ scores: [Float]) -> [Float] {
        if configuration.scoring == .softmaxOfChosen {
            let largest = Double(scores.max() ?? 0)
            let powers = scores.map { exp(Double($0) - largest) }
            let sum = powers.reduce(0, +)
            return powers.map { Float($0 / sum) * configuration.scale }
        }
        let divisor = configuration.normalise ? scores.reduce(0, +) + 1e-20 : 1
        return scores.map { $0 / divisor * configuration.scale }
    }

    /// The `count` candidates with the largest keys, descending, the lower index first among equals.
    private static func largest(_ count: Int, of candidates: [Int], by keys: [Float]) -> [Int] {
        let ordered = candidates.sorted { left, right in
            keys[left] == keys[right] ? left < right : keys[left] > keys[right]
        }
        return Array(ordered.prefix(count))
    }
}
