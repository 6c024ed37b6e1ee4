/// The sizes of one MoE layer on a group of ranks. All kernels are built for one shape.
public struct LayerShape: Hashable, Sendable {
    /// Channels of a token: a multiple of 8 from 8 to 12,800.
    public let hidden: Int
    /// Channels between the two GEMMs of an expert: a multiple of 8 from 8 to 65,536.
    public let intermediate: Int
    /// Routed experts of the layer, a multiple of `ranks`, at most 1,024.
    public let experts: Int
    /// Experts that each token selects: 1 to 32, at most `experts`.
    public let topK: Int
    /// Ranks: 1 to `mostRanks`.
    public let ranks: Int
    /// Most tokens that one rank brings to a step: 1 to 4,096.
    public let maxTokens: Int
    /// Shared experts of a routed one's size, which every rank has and all its own tokens go to: 0 to 8.
    public let sharedExperts: Int

    /// Most channels of a token.
    public static let mostHidden = 12_800
    /// Most channels between the GEMMs.
    public static let mostIntermediate = 65_536
    /// Channels that sizes are multiples of: 16 bytes of BF16, which kernels load and store at once.
    public static let channelStep = 8
    /// Most ranks of a layer.
    public static let mostRanks = 256

    /// A checked shape.
    ///
    /// - Throws: `ShapeError` naming the first value out of range.
    public init(
        hidden: Int, intermediate: Int, experts: Int, topK: Int, ranks: Int, maxTokens: Int,
        sharedExperts: Int = 0
    ) throws(ShapeError) {
        self.hidden = hidden
        self.intermediate = intermediate
        self.experts = experts
        self.topK = topK
        self.ranks = ranks
        self.maxTokens = maxTokens
        self.sharedExperts = sharedExperts
        try Self.require("hidden", hidden, Self.channelStep...Self.mostHidden, multipleOf: Self.channelStep)
        try Self.require(
            "intermediate", intermediate, Self.channelStep...Self.mostIntermediate, multipleOf: Self.channelStep)
        try Self.require("ranks", ranks, 1...Self.mostRanks)
        try Self.require("experts", experts, ranks...1_024, multipleOf: ranks)
        try Self.require("topK", topK, 1...min(32, experts))
        try Self.require("maxTokens", maxTokens, 1...4_096)
        try Self.require("sharedExperts", sharedExperts, 0...8)
    }

    private static func require(
        _ name: String, _ value: Int, _ range: ClosedRange<Int>, multipleOf step: Int = 1
    ) throws(ShapeError) {
        if !range.contains(value) || value % step != 0 {
            throw ShapeError(name: name, value: value, range: range, step: step)
        }
    }

    /// Experts on each rank; rank `r` owns experts `r * localExperts ..< (r + 1) * localExperts`.
    public var localExperts: Int { experts / ranks }
    /// Experts on each rank, the shared ones first.
    public var rankExperts: Int { sharedExperts + localExperts }
    /// Rows that each token becomes: one for each choice, and one for each shared expert.
    public var tokenRows: Int { topK + sharedExperts }
    /// Most rows that one local expert can receive.
    public var maxRows: Int { ranks * maxTokens }
    /// Rows of a scale array.
    public var scaleRows: Int { ScaleGroup.rows(maxRows) }
    /// Channels of a row, that is of a token on its way to experts and back: `hidden` rounded up to a multiple of 128.
    /// Padding channels are 0.
    public var paddedHidden: Int { ScaleGroup.padded(hidden) }
    /// Channels between the two GEMMs as these have them: `intermediate` rounded up to a multiple of 128. Padding
    /// channels are 0.
    public var paddedIntermediate: Int { ScaleGroup.padded(intermediate) }
    /// Whether weights are padded with zeros.
    package var isPadded: Bool { hidden < paddedHidden || intermediate < paddedIntermediate }
    /// Groups of 128 channels of a row that share a scale.
    public var hiddenGroups: Int { paddedHidden / ScaleGroup.channels }
}

/// A size that the kernels do not support.
public struct ShapeError: Error, Hashable, Sendable, CustomStringConvertible {
    /// Name of the size.
    public var name: String
    /// Its value.
    public var value: Int
    /// Supported values.
    public var range: ClosedRange<Int>
    /// The value must be a multiple of this.
    public var step: Int

    /// The value of `name` that is not in `range`, or no multiple of `step`.
    public init(name: String, value: Int, range: ClosedRange<Int>, step: Int) {
        self.name = name
        self.value = value
        self.range = range
        self.step = step
    }

    /// One sentence with value, limit and remedy.
    public var description: String {
        let multiple = step == 1 ? "" : "a multiple of \(step) "
        return "\(name) is \(value); choose \(multiple)from \(range.lowerBound) to \(range.upperBound)"
    }
}
