import ExpertKernels

/// The mixture-of-experts layers of a model, as its `config.json` and its family describe them.
public struct ModelConfiguration: Hashable, Sendable {
    /// Short name of the family, such as `deepseek-v3`; see `families`.
    public var family: String
    /// `model_type`, such as `deepseek_v3`.
    public var modelType: String
    /// Channels of a token.
    public var hidden: Int
    /// Channels between the two projections of a routed expert.
    public var intermediate: Int
    /// Routed experts of one layer.
    public var experts: Int
    /// Experts that each token goes to.
    public var topK: Int
    /// Channels between the two projections of the shared expert; 0 without one.
    public var sharedIntermediate: Int
    /// Whether a gate weights the shared expert's output for each token, for `GroupConfiguration.hasSharedGate`.
    public var hasSharedGate: Bool
    /// How logits become scores.
    public var scoring: RouterConfiguration.Scoring
    /// Equal groups that the experts are divided into.
    public var groups: Int
    /// Groups that a token may choose experts from.
    public var groupsKept: Int
    /// Score by which groups are ranked.
    public var groupScore: RouterConfiguration.GroupScore
    /// Whether a bias is added to the scores for the choice.
    public var hasCorrectionBias: Bool
    /// Whether the chosen experts' weights are divided by their sum.
    public var normalisesWeights: Bool
    /// Factor on all weights.
    public var routedScale: Double
    /// Number of layers, without those for multi-token prediction.
    public var layers: Int
    /// Indices of the layers that have experts, ascending, without those for multi-token prediction.
    public var expertLayers: [Int]
    /// Number of multi-token prediction layers, with experts of their own. Their indices begin at `layers`, and a
    /// checkpoint may leave them out.
    public var predictionLayers: Int
    /// The experts' activation, in all layers but those of `layerActivations`.
    public var activation: Activation
    /// The experts' activation in single layers, by index.
    public var layerActivations: [Int: Activation]
    /// Layers that choose experts by token ids.
    public var tokenRoutedLayers: Set<Int>
    /// The quantisation that `quantization_config` declares.
    public var quantisation: QuantisationDeclaration

    /// Short names of all families that can be read.
    public static let families = ModelFamily.names

    /// A DeepSeek-V3; arguments that are left out have its published values.
    public init(
        hidden: Int = 7168, intermediate: Int = 2048, experts: Int = 256, topK: Int = 8, sharedExperts: Int = 1,
        groups: Int = 8, groupsKept: Int = 4, routedScale: Double = 2.5
    ) {
        self.init(
            .deepSeekV3, hidden: hidden, intermediate: intermediate, experts: experts, topK: topK,
            sharedIntermediate: sharedExperts * intermediate)
        self.groups = groups
        self.groupsKept = groupsKept
        self.routedScale = routedScale
    }

    /// A model of a family, of any size: a shared expert as large as a routed one if the family has one, one group, and
    /// experts in every layer that the family gives them. Nil if there is no family of that name.
    public init?(family name: String, hidden: Int, intermediate: Int, experts: Int, topK: Int) {
        guard let family = ModelFamily.named(name) else { return nil }
        self.init(
            family, hidden: hidden, intermediate: intermediate, experts: experts, topK: topK,
            sharedIntermediate: intermediate)
    }

    /// A model of a family with one layer of experts.
    init(
        _ family: ModelFamily, hidden: Int, intermediate: Int, experts: Int, topK: Int, sharedIntermediate: Int
    ) {
        self.family = family.name
        modelType = family.modelTypes[0]
        self.hidden = hidden
        self.intermediate = intermediate
        self.experts = experts
        self.topK = topK
        self.sharedIntermediate = family.tensors.shared == nil ? 0 : sharedIntermediate
        hasSharedGate = family.tensors.sharedGate != nil
        scoring = family.router.scoring
        groups = 1
        groupsKept = 1
        groupScore = family.router.groups?.score ?? .sumOfTwoBest
        hasCorrectionBias = family.tensors.choiceBias != nil
        normalisesWeights =
            switch family.router.normalise {
            case .always, .ofSeveral: true
            case .never: false
            case .key(let key): key.absent ?? true
            }
        routedScale = family.router.scale.map { $0.absent ?? 2.5 } ?? 1
        layers = 61
        expertLayers = Array(3..<61)
        predictionLayers = 0
        activation = family.activation.usual()
        layerActivations = [:]
        tokenRoutedLayers = []
        quantisation = .float8Blocks
    }

    /// The number of routed experts that the shared expert is as large as, rounded up; 0 without one.
    public var sharedExperts: Int {
        sharedIntermediate == 0 ? 0 : ExpertWeights.parts(ofShared: sharedIntermediate, intermediate: intermediate)
    }

    /// Whether a layer has experts; those for multi-token prediction do.
    public func hasExperts(inLayer layer: Int) -> Bool {
        expertLayers.contains(layer) || (layers..<layers + predictionLayers).contains(layer)
    }

    /// The layers with experts as ranges, those for multi-token prediction included.
    public var rangesWithExperts: [ClosedRange<Int>] {
        (expertLayers + Array(layers..<layers + predictionLayers)).reduce(into: []) { ranges, layer in
            if let last = ranges.last, last.upperBound + 1 == layer {
                ranges[ranges.count - 1] = last.lowerBound...layer
            } else {
                ranges.append(layer...layer)
            }
        }
    }

    /// Requirements of a layer beyond those of every layer.
    public func requirements(ofLayer layer: Int) -> [LayerRequirement] {
        (tokenRoutedLayers.contains(layer) ? [.expertsByTokenID] : []) + quantisation.requirements
    }

    /// The activation of a layer's experts, for `GroupConfiguration.activation`.
    public func activation(ofLayer layer: Int) -> Activation { layerActivations[layer] ?? activation }

    /// How scales of activations are rounded, for `GroupConfiguration.scaleFormat`.
    public var scaleFormat: ScaleFormat {
        quantisation.requirements.contains(.powerOfTwoActivationScales) ? .powerOfTwo : .float32
    }

    /// How the router of this model chooses; throws a `RouterError` where that makes no sense.
    public func router() throws(RouterError) -> RouterConfiguration {
        try RouterConfiguration(
            experts: experts, topK: topK, groups: groups, groupsKept: groupsKept, groupScore: groupScore,
            normalise: normalisesWeights, scale: Float(routedScale), scoring: scoring)
    }
}
