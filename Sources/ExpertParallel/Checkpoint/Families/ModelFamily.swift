/// How a family of models writes its mixture-of-experts layers: the keys of sizes in `config.json`, the names of
/// tensors, and the router's rule.
///
/// A family is a value, in a file of its own. What a family does not define has no value: an absent key without a
/// default in the model's own code is an error, and so are keys that change what experts compute and tensors of experts
/// that a family does not know.
struct ModelFamily: Sendable {
    /// Short name, for commands.
    let name: String
    /// Names of the models, for messages and documentation.
    let title: String
    /// Values of `model_type`.
    let modelTypes: [String]
    /// Class that `architectures` names in checkpoints that are written here.
    let architecture: String
    /// Why no model of the family can be read; nil where they can.
    var refusal: String?
    /// Which published checkpoints of the family cannot be run, and why; for documentation.
    var note: String?
    /// Key of the object that holds the language model's configuration; nil where the file is that object.
    var section: String?
    /// Prefix of a tensor's name before the layer's number.
    var layerPrefix = "model.layers."

    /// `hidden_size`: channels of a token.
    var hidden = ConfigurationKey<Int>("hidden_size")
    /// Channels between the two projections of a routed expert; one number, or a list with one for each layer.
    var intermediate = PerLayerKey("moe_intermediate_size")
    /// Routed experts of a layer.
    var experts = PerLayerKey("n_routed_experts")
    /// Experts that each token goes to.
    var topK = PerLayerKey("num_experts_per_tok")
    /// Number of layers.
    var layerCount = ConfigurationKey<Int>("num_hidden_layers")

    /// The rule of the router.
    let router: RouterRule
    /// The shared expert.
    var shared = SharedRule.none
    /// Which layers have experts.
    let layers: LayerRule
    /// Number of multi-token prediction layers; nil where the family has none under `layerPrefix`.
    var predictionLayers: ConfigurationKey<Int>? = nil
    /// Names of tensors.
    var tensors = TensorNames.deepSeek
    /// The experts' activation.
    var activation = ActivationRule.plain
    /// Values that `hidden_act` may have where it is there; the first one is written.
    var hiddenActs: [JSONValue] = ["silu"]
    /// Which layers choose experts by token ids; nil for none.
    var tokenRouted: TokenRoutedRule?
    /// Keys that may only have these values, where they are there.
    var fixed: [String: [JSONValue]] = [:]
    /// Keys that sound as if they changed what experts compute, and do not.
    var harmless: Set<String> = []

    /// All families, in alphabetical order.
    static let all: [ModelFamily] =
        ([
            .bailingMoE, .bailingMoE2, .deepSeekV2, .deepSeekV3, .deepSeekV32, .deepSeekV4, .dots1, .ernie45, .glm4MoE,
            .glm4MoELite, .glm5Next, .glmMoEDSA, .hunyuanMoE, .kimiK2, .miMoV2, .miniMaxM2, .miniMaxM3, .mixtral,
            .qwen2MoE, .qwen3MoE, .qwen3Next,
            .qwen35MoE,
            .solarOpen, .step35,
        ] + refused).sorted { $0.name < $1.name }

    /// Names of the families that can be written.
    static let names = all.filter { $0.refusal == nil }.map(\.name)

    /// The family of a short name.
    static func named(_ name: String) -> ModelFamily? { all.first { $0.name == name && $0.refusal == nil } }
}

/// A whole number that is the same in all layers with experts, or a list with one for each layer.
struct PerLayerKey: Sendable {
    /// Names of the same value; the first one is written.
    let names: [String]

    init(_ names: String...) { self.names = names }
}

/// The rule of a family's router.
struct RouterRule: Sendable {
    /// How logits become scores.
    var scoring: RouterConfiguration.Scoring
    /// Keys of the number of groups and of those kept, and the groups' score; nil for no groups.
    var groups: Groups?
    /// Whether the chosen experts' weights are divided by their sum.
    var normalise: Normalise
    /// Factor on all weights; nil for 1.
    var scale: ConfigurationKey<Double>?
    /// Key of the selection method, where a family has several, and for each of its values whether it uses groups.
    var methods: (key: ConfigurationKey<String>, usesGroups: [String: Bool])?

    /// Groups of experts.
    struct Groups: Sendable {
        var count = ConfigurationKey<Int>("n_group", absent: 1)
        var kept = ConfigurationKey<Int>("topk_group", absent: 1)
        var score = RouterConfiguration.GroupScore.sumOfTwoBest
    }

    /// When weights are divided by their sum.
    enum Normalise: Sendable {
        case always
        case never
        /// As a key says.
        case key(ConfigurationKey<Bool>)
        /// If a token has several experts.
        case ofSeveral
    }

    /// The router of DeepSeek-V3 and of all that took it over: sigmoid, a bias for the choice, groups, normalised, a
    /// factor.
    static func deepSeekV3(
        groups: Groups? = Groups(), normalised: Bool? = true, scale: Double? = nil
    ) -> RouterRule {
        RouterRule(
            scoring: .sigmoid, groups: groups,
            normalise: .key(ConfigurationKey("norm_topk_prob", absent: normalised)),
            scale: ConfigurationKey("routed_scaling_factor", absent: scale))
    }

    /// Softmax over all experts, normalised as a key says.
    static func softmax(normalised: Bool?) -> RouterRule {
        RouterRule(scoring: .softmax, normalise: .key(ConfigurationKey("norm_topk_prob", absent: normalised)))
    }
}

/// A family's shared expert.
enum SharedRule: Sendable {
    case none
    /// The key's number of times as wide as a routed expert.
    case multiple(PerLayerKey, absent: Int?)
    /// As wide as the key says; `gated` if its output is multiplied by the sigmoid of a further product.
    case width(ConfigurationKey<Int>, gated: Bool)
}

/// Which layers have experts.
enum LayerRule: Sendable {
    /// All of them.
    case all
    /// All but the key's number of dense ones at the start.
    case afterDense(ConfigurationKey<Int>)
    /// Those that a list of `sparse` and `dense` names, or, without the list, all but a number at the start.
    case types(String, orAfterDense: ConfigurationKey<Int>)
    /// Every n-th, the last of each n, but not those of a list.
    case everyNth(ConfigurationKey<Int>, except: String)
    /// Those whose element of a list is 1.
    case flags(String)
    /// Every `interval`-th from `start` to `end`; -1 is the last.
    case range(start: ConfigurationKey<Int>, end: ConfigurationKey<Int>, interval: ConfigurationKey<Int>)
    /// Those whose numbers a text holds, with commas between them.
    case enumerated(String)
}

/// Names of a layer's tensors, after its number and a dot.
struct TensorNames: Sendable {
    /// How the matrices of routed experts are stored; `#` stands for the number of an expert.
    enum Experts: Sendable {
        /// A tensor for each matrix.
        case single(gate: String, up: String, down: String)
        /// Three tensors `[experts, rows, columns]`.
        case stacked(gate: String, up: String, down: String)
        /// Two tensors: gate above up `[experts, 2 * intermediate, hidden]`, and down.
        case fused(gateUp: String, down: String)
    }

    /// Prefixes of the experts' tensors, every one of which must be read.
    var parts: [String]
    /// `[experts, hidden]`
    var router: String
    /// `[experts]`, or `[1, experts]`; nil for none.
    var choiceBias: String?
    /// The layouts of experts, the usual one first.
    var experts: [Experts]
    /// The shared expert's gate, up and down; nil for none.
    var shared: (gate: String, up: String, down: String)?
    /// The word in place of `weight` in the names of scales, `x.scale` beside `x.weight`; nil for the usual names
    /// `x.weight_scale_inv` and `x.weight_scale`.
    var scale: String?
    /// `[1, hidden]`, the gate on the shared expert, which is multiplied with a token; nil for none.
    var sharedGate: String?

    /// The names of DeepSeek-V3.
    static let deepSeek = named(choiceBias: "mlp.gate.e_score_correction_bias", shared: "mlp.shared_experts.")

    /// `mlp.experts.#.gate_proj` and its kind, or stacked as transformers 5 writes them.
    static func named(choiceBias: String? = nil, shared: String? = nil, sharedGate: String? = nil) -> TensorNames {
        TensorNames(
            parts: ["mlp."], router: "mlp.gate.weight", choiceBias: choiceBias,
            experts: [
                .single(
                    gate: "mlp.experts.#.gate_proj", up: "mlp.experts.#.up_proj", down: "mlp.experts.#.down_proj"),
                .fused(gateUp: "mlp.experts.gate_up_proj", down: "mlp.experts.down_proj"),
            ],
            shared: shared.map { ($0 + "gate_proj", $0 + "up_proj", $0 + "down_proj") }, sharedGate: sharedGate)
    }

    /// The names of Mixtral: `block_sparse_moe.experts.#.w1`, w3 and w2.
    static func mixtral(choiceBias: String? = nil) -> TensorNames {
        TensorNames(
            parts: ["block_sparse_moe."], router: "block_sparse_moe.gate.weight", choiceBias: choiceBias,
            experts: [
                .single(
                    gate: "block_sparse_moe.experts.#.w1", up: "block_sparse_moe.experts.#.w3",
                    down: "block_sparse_moe.experts.#.w2")
            ])
    }
}
