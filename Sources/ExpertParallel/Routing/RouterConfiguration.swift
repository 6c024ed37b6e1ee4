/// How a router turns scores into a choice of experts.
public struct RouterConfiguration: Hashable, Sendable {
    /// How logits become scores.
    public enum Scoring: String, Hashable, Sendable {
        /// Each logit by itself (DeepSeek-V3, GLM, Kimi).
        case sigmoid
        /// Over all experts (Qwen3-MoE).
        case softmax
        /// `sqrt(log(1 + eˣ))`, each logit by itself (DeepSeek-V4).
        case squareRootOfSoftplus
        /// Over the chosen experts only, which are chosen by their logits (gpt-oss).
        case softmaxOfChosen
    }

    /// The score by which a group of experts is ranked.
    public enum GroupScore: String, Hashable, Sendable {
        /// The sum of its two best scores (DeepSeek-V3).
        case sumOfTwoBest
        /// Its best score (DeepSeek-V2).
        case best
    }

    /// Experts of the layer.
    public let experts: Int
    /// Experts chosen for each token.
    public let topK: Int
    /// Groups of equally many neighbouring experts.
    public let groups: Int
    /// Groups whose experts a token may choose from.
    public let groupsKept: Int
    /// The score by which groups are ranked.
    public let groupScore: GroupScore
    /// Whether the chosen experts' scores are divided by their sum.
    public let normalise: Bool
    /// Factor on all weights.
    public let scale: Float
    /// How logits become scores.
    public let scoring: Scoring

    /// A checked configuration.
    ///
    /// Throws `optionInvalid` unless `experts >= 1`, `groups` divides `experts`, `1 <= groupsKept <= groups`,
    /// `1 <= topK <= ` the experts of `groupsKept` groups, and `scale` is a positive finite number.
    public init(
        experts: Int, topK: Int, groups: Int = 1, groupsKept: Int = 1, groupScore: GroupScore = .sumOfTwoBest,
        normalise: Bool = true, scale: Float = 1, scoring: Scoring = .sigmoid
    ) throws(RouterError) {
        guard experts >= 1, experts <= 1 << 20 else {
            throw .optionInvalid(option: "experts", value: "\(experts)", expected: "between 1 and \(1 << 20)")
        }
        guard groups >= 1, groups <= experts, experts % groups == 0 else {
            throw .optionInvalid(
                option: "groups", value: "\(groups)", expected: "a divisor of the \(experts) experts")
        }
        guard groupsKept >= 1, groupsKept <= groups else {
            throw .optionInvalid(
                option: "groupsKept", value: "\(groupsKept)", expected: "between 1 and the \(groups) groups")
        }
        let eligible = experts / groups * groupsKept
        guard topK >= 1, topK <= eligible else {
            throw .optionInvalid(
                option: "topK", value: "\(topK)", expected: "between 1 and the \(eligible) experts of the kept groups")
        }
        guard scale.isFinite, scale > 0 else {
            throw .optionInvalid(option: "scale", value: "\(scale)", expected: "a positive finite number")
        }
        self.experts = experts
        self.topK = topK
        self.groups = groups
        self.groupsKept = groupsKept
        self.groupScore = groupScore
        self.normalise = normalise
        self.scale = scale
        self.scoring = scoring
    }
}

/// Errors of a router's configuration or input.
public enum RouterError: Error, Equatable, Sendable, CustomStringConvertible {
    /// An option is out of its range.
    case optionInvalid(option: String, value: String, expected: String)
    /// An array has another length than the shapes ask for.
    case countMismatch(what: String, expected: Int, found: Int)
    /// A token's score for an expert is NaN or infinite.
    case scoreNotFinite(token: Int, expert: Int)
    /// A token's score for the gate on the shared expert is NaN or infinite.
    case sharedScoreNotFinite(token: Int)

    /// One sentence with the value, the limit and the remedy.
    public var description: String {
        switch self {
        case .optionInvalid(let option, let value, let expected):
            "The router's \(option) is \(value) and must be \(expected)."
        case .countMismatch(let what, let expected, let found):
            "The router needs \(expected) \(what) and got \(found)."
        case .scoreNotFinite(let token, let expert):
            "The score of token \(token) for expert \(expert) is not finite; look at its hidden state for NaN or infinity."
        case .sharedScoreNotFinite(let token):
            "The score of token \(token) for the shared expert's gate is not finite; "
                + "look at its hidden state for NaN or infinity."
        }
    }
}
