/// The experts that each token of one rank goes to, and their weights.
public struct Routing: Hashable, Sendable {
    /// Number of tokens.
    public var tokens: Int
    /// Experts for each token.
    public var topK: Int
    /// `[tokens, topK]`: index of an expert among all of the layer's, or -1 for none.
    public var experts: [Int64]
    /// `[tokens, topK]`: factor on that expert's output.
    public var weights: [Float]
    /// `[tokens]`: factor on the shared expert's output, where that has a gate; nil where it counts as it is.
    public var sharedWeights: [Float]?

    /// A routing of these choices.
    public init(tokens: Int, topK: Int, experts: [Int64], weights: [Float], sharedWeights: [Float]? = nil) {
        self.tokens = tokens
        self.topK = topK
        self.experts = experts
        self.weights = weights
        self.sharedWeights = sharedWeights
    }
}
