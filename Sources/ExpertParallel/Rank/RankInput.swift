import ExpertKernels
import KernelLanguage

/// The input of one rank to a step.
public struct RankInput: Hashable, Sendable {
    /// BF16 `[tokens, hidden]`.
    public var hiddenStates: [BFloat16]
    /// The experts and weights of each token.
    public var routing: Routing

    /// Hidden states and their routing.
    public init(hiddenStates: [BFloat16], routing: Routing) {
        self.hiddenStates = hiddenStates
        self.routing = routing
    }

    /// Checks sizes, expert numbers and finiteness against a configuration.
    func validate(rank: Int, _ configuration: GroupConfiguration) throws(GroupError) {
        let (shape, tokens) = (configuration.shape, routing.tokens)
        guard (0...shape.maxTokens).contains(tokens) else {
            throw .tooManyTokens(rank: rank, tokens: tokens, maxTokens: shape.maxTokens)
        }
        func expect(_ array: String, _ given: Int, _ expected: Int) throws(GroupError) {
            if given != expected {
                throw .elementCount(rank: rank, array: array, given: given, expected: expected)
            }
        }
        try expect("hiddenStates", hiddenStates.count, tokens * shape.hidden)
        try expect("routing.experts", routing.experts.count, tokens * shape.topK)
        try expect("routing.weights", routing.weights.count, tokens * shape.topK)
        switch (routing.sharedWeights, configuration.hasSharedGate) {
        case (nil, false): break
        case (nil, true): throw .sharedWeightsMissing(rank: rank)
        case (.some, false): throw .sharedWeightsUnread(rank: rank)
        case (let weights?, true): try expect("routing.sharedWeights", weights.count, tokens)
        }
        for (index, expert) in routing.experts.enumerated() where expert < -1 || expert >= Int64(shape.experts) {
            throw .expertIndex(
                rank: rank, token: index / shape.topK, choice: index % shape.topK, value: expert,
                experts: shape.experts)
        }
        for token in 0..<tokens {
            let chosen = routing.experts[token * shape.topK..<(token + 1) * shape.topK].filter { $0 >= 0 }.sorted()
            // A second row of a token for the same expert would have no place in the expert's memory.
            for (expert, next) in zip(chosen, chosen.dropFirst()) where expert == next {
                throw .repeatedExpert(rank: rank, token: token, expert: expert)
            }
        }
        if let index = routing.weights.firstIndex(where: { !$0.isFinite }) {
            throw .notFinite(rank: rank, array: "routing.weights", index: index)
        }
        if let index = routing.sharedWeights?.firstIndex(where: { !$0.isFinite }) {
            throw .notFinite(rank: rank, array: "routing.sharedWeights", index: index)
        }
        // All exponent bits set: infinity or NaN.
        if let index = hiddenStates.firstIndex(where: { $0.bits & 0x7F80 == 0x7F80 }) {
            throw .notFinite(rank: rank, array: "hiddenStates", index: index)
        }
    }
}
