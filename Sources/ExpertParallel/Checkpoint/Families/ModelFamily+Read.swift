extension ModelConfiguration {
    /// Reads a `config.json` by the rules of its family.
    ///
    /// Throws `fileUnreadable`, `configurationMalformed` for text that is no such object or lacks a key,
    /// `familyUnknown` and `familyRefused`, `configurationInvalid` for a value out of range, and `configurationUnread`
    /// for keys that change what experts compute and that the family does not define.
    public init(file: String) throws(CheckpointError) {
        try self.init(ConfigurationReader(file: file))
    }

    /// Reads an object as if it were a file.
    init(_ outer: ConfigurationReader) throws(CheckpointError) {
        let modelType = try outer.optional("model_type", as: String.self) ?? ""
        guard let family = ModelFamily.all.first(where: { $0.modelTypes.contains(modelType) }) else {
            throw .familyUnknown(
                file: outer.file, modelType: modelType,
                known: ModelFamily.all.filter { $0.refusal == nil }.flatMap(\.modelTypes).sorted())
        }
        if let reason = family.refusal {
            throw .familyRefused(file: outer.file, modelType: modelType, reason: reason)
        }
        self = try family.read(outer, modelType: modelType)
    }
}

extension ModelFamily {
    fileprivate func read(
        _ outer: ConfigurationReader, modelType: String
    ) throws(CheckpointError) -> ModelConfiguration {
        let values = try section.map { (key) throws(CheckpointError) in try nested(key, of: outer) } ?? outer
        for key in fixed.keys.sorted() { try values.require(key, fixed[key] ?? []) }
        try values.require("hidden_act", hiddenActs)
        let layerCount = try values.integer(layerCount, 1...100_000)
        let expertLayers = try layers.read(values, layers: layerCount)
        let experts = try values.perLayer(experts, expertLayers, layerCount, 1...1 << 16)
        let intermediate = try values.perLayer(intermediate, expertLayers, layerCount, 1...1 << 20)
        var model = ModelConfiguration(
            self, hidden: try values.integer(hidden, 1...1 << 20), intermediate: intermediate, experts: experts,
            topK: try values.perLayer(
                topK, expertLayers, layerCount, 1...experts, "between 1 and the \(experts) experts"),
            sharedIntermediate: 0)
        model.modelType = modelType
        model.layers = layerCount
        // A list of layers may go on after the last one, with those for multi-token prediction.
        model.expertLayers = expertLayers.filter { $0 < layerCount }
        model.predictionLayers =
            try predictionLayers.map { (key) throws(CheckpointError) in
                try values.integer(key, 0...1_000)
            } ?? (expertLayers.count - model.expertLayers.count)
        try readShared(values, into: &model)
        try router.read(values, into: &model)
        try activation.read(values, into: &model)
        model.tokenRoutedLayers =
            try tokenRouted.map { (rule) throws(CheckpointError) in
                try rule.read(values, layers: layerCount)
            } ?? []
        // Beside the section, or in it.
        let outerDeclaration = try outer.nested("quantization_config")
        model.quantisation = try QuantisationDeclaration(
            try values.nested("quantization_config") ?? outerDeclaration)
        try refuseUnread(values, outer)
        return model
    }

    private func nested(_ key: String, of outer: ConfigurationReader) throws(CheckpointError) -> ConfigurationReader {
        guard let values = try outer.nested(key) else {
            throw .configurationMalformed(file: outer.file, reason: "there is no \(key)")
        }
        // The section repeats or refines the type; the outer one has decided.
        _ = values.value("model_type")
        return values
    }

    private func readShared(
        _ values: ConfigurationReader, into model: inout ModelConfiguration
    ) throws(CheckpointError) {
        switch shared {
        case .none: break
        case .multiple(let key, let absent):
            let count = try values.perLayer(key, model.expertLayers, model.layers, 0...64, absent: absent)
            // Ling may have a key of its own for the width of one shared expert.
            let width = try values.optional("moe_shared_expert_intermediate_size", as: Int.self) ?? model.intermediate
            guard (1...1 << 20).contains(width) else {
                throw values.invalid("moe_shared_expert_intermediate_size", "between 1 and \(1 << 20)")
            }
            model.sharedIntermediate = count * width
        case .width(let key, let gated):
            model.sharedIntermediate = try values.integer(key, 0...1 << 20)
            model.hasSharedGate = gated && model.sharedIntermediate > 0
        }
    }

    /// Parts of names of keys that may change what experts compute.
    private static let suspicious = [
        "expert", "moe", "rout", "topk", "top_k", "glu", "hidden_act", "activation", "act_fn", "limit", "clamp", "mlp",
        "ffn", "shared", "share_", "quant", "score", "scoring", "scaling_factor", "n_group", "num_group", "latent",
        "zero_", "hash", "alpha", "sparse_step", "first_k", "compression_config",
    ]
    /// Parts of names of keys that concern attention, training or serving.
    private static let innocent = [
        "attn", "attention", "rope", "index_", "indexer", "vision", "audio", "aux", "z_loss", "jitter", "dropout",
        "output_router_logits", "router_dtype", "mtp", "ep_size", "cross_", "kv_", "q_lora", "head", "qk_", "swa_",
        "initializer", "tie_", "linear_",
    ]

    /// Throws `configurationUnread` for keys that sound as if they changed what experts compute and were not read.
    private func refuseUnread(
        _ values: ConfigurationReader, _ outer: ConfigurationReader
    ) throws(CheckpointError) {
        let readers = values === outer ? [values] : [values, outer]
        let keys = readers.flatMap { reader in
            reader.unread.filter { isSuspicious($0) }.map { reader.prefix + $0 }
        }
        guard keys.isEmpty else { throw .configurationUnread(file: values.file, keys: keys, family: name) }
    }

    private func isSuspicious(_ key: String) -> Bool {
        let lower = key.lowercased()
        // A sampling parameter that old files carry for text generation.
        if lower == "top_k" || harmless.contains(key) { return false }
        return Self.suspicious.contains { lower.contains($0) } && !Self.innocent.contains { lower.contains($0) }
    }
}

extension ConfigurationReader {
    /// A number that is the same in all of these layers: one for all, or a list with one for each layer of the model.
    fileprivate func perLayer(
        _ key: PerLayerKey, _ layers: [Int], _ count: Int, _ range: ClosedRange<Int>, _ expected: String? = nil,
        absent: Int? = nil
    ) throws(CheckpointError) -> Int {
        var found: Int?
        for name in key.names {
            guard let value = value(name) else { continue }
            let numbers: [Int]
            if case .array = value {
                guard let list = [Int](value), list.count == count else {
                    throw invalid(name, "a whole number, or a list of \(count) of them")
                }
                numbers = layers.filter { $0 < count }.map { list[$0] }
            } else {
                guard let number = value.integer else { throw invalid(name, Int.expected) }
                numbers = [number]
            }
            guard let first = numbers.first else { continue }
            guard numbers.allSatisfy({ $0 == first }), found == nil || found == first else {
                throw invalid(name, "the same for all layers with experts")
            }
            guard range.contains(first) else {
                throw invalid(name, expected ?? "between \(range.lowerBound) and \(range.upperBound)")
            }
            found = first
        }
        if let value = found ?? absent { return value }
        throw .configurationMalformed(
            file: file, reason: "there is no \(key.names.map { prefix + $0 }.joined(separator: " or "))")
    }
}

extension RouterRule {
    /// Reads the scoring, groups and weights of a model's router.
    fileprivate func read(
        _ values: ConfigurationReader, into model: inout ModelConfiguration
    ) throws(CheckpointError) {
        switch normalise {
        case .always: model.normalisesWeights = true
        case .never: model.normalisesWeights = false
        case .key(let key): model.normalisesWeights = try values(key)
        case .ofSeveral: model.normalisesWeights = model.topK > 1
        }
        if let scale {
            model.routedScale = try values(scale)
            // Weights are FP32 numbers.
            guard Float(model.routedScale) > 0, Float(model.routedScale).isFinite else {
                throw values.invalid(scale.names[0], "a positive number that FP32 can hold")
            }
        }
        var usesGroups = groups != nil
        if let methods {
            let method = try values(methods.key)
            guard let uses = methods.usesGroups[method] else {
                throw values.invalid(methods.key.names[0], methods.usesGroups.keys.sorted().joined(separator: " or "))
            }
            usesGroups = uses
        }
        guard let groups else { return }
        // Read in any case: a method without groups leaves the numbers unused.
        let experts = model.experts
        let count = try values.integer(groups.count, 1...experts)
        let kept = try values.integer(groups.kept, 1...count, "between 1 and the \(count) groups")
        guard usesGroups else { return }
        guard experts % count == 0 else {
            throw values.invalid(groups.count.names[0], "a divisor of the \(experts) experts")
        }
        guard model.topK <= experts / count * kept else {
            throw .configurationInvalid(
                file: values.file, key: values.prefix + "num_experts_per_tok", value: "\(model.topK)",
                expected: "at most the \(experts / count * kept) experts of \(kept) groups")
        }
        (model.groups, model.groupsKept) = (count, kept)
    }
}

extension LayerRule {
    /// The layers with experts, ascending. Throws for values that name none or more than there are.
    fileprivate func read(_ values: ConfigurationReader, layers: Int) throws(CheckpointError) -> [Int] {
        switch self {
        case .all: return Array(0..<layers)
        case .afterDense(let key): return Array(try values.integer(key, 0...layers)..<layers)
        case .types(let list, let key):
            // The list wins; the number may stand beside it.
            let dense = values.value(list) == nil ? try values.integer(key, 0...layers) : 0
            guard values.value(list) != nil else { return Array(dense..<layers) }
            for name in key.names { _ = values.value(name) }
            let types = try values.optional(list, as: [String].self) ?? []
            guard types.count >= layers, types.allSatisfy({ $0 == "dense" || $0 == "sparse" }) else {
                throw values.invalid(list, "a list of dense or sparse for \(layers) layers")
            }
            return (0..<layers).filter { types[$0] == "sparse" }
        case .everyNth(let key, let except):
            let step = try values.integer(key, 1...layers)
            let dense = Set(try values.optional(except, as: [Int].self) ?? [])
            return (0..<layers).filter { ($0 + 1) % step == 0 && !dense.contains($0) }
        case .flags(let key):
            guard let flags = try values.optional(key, as: [Int].self), flags.count == layers,
                flags.allSatisfy({ $0 == 0 || $0 == 1 })
            else { throw values.invalid(key, "a list of 0 or 1 for \(layers) layers") }
            return flags.indices.filter { flags[$0] == 1 }
        case .range(let start, let end, let interval):
            let first = try values.integer(start, 0...layers)
            let last = try values.integer(end, -1...layers - 1)
            let step = try values.integer(interval, 1...layers)
            return (0..<layers).filter {
                $0 >= first && $0 <= (last == -1 ? layers - 1 : last) && ($0 + 1) % step == 0
            }
        case .enumerated(let key):
            let text = try values(ConfigurationKey<String>(key))
            let numbers = text.split(separator: ",").map { Int($0.trimmingPrefix(while: \.isWhitespace)) }
            let valid = numbers.compactMap { $0 }.filter { $0 >= 0 }
            guard valid.count == numbers.count, !valid.isEmpty else {
                throw values.invalid(key, "numbers of layers with commas between them")
            }
            let behind = Set(valid).filter { $0 >= layers }
            guard behind == Set(layers..<layers + behind.count) else {
                throw values.invalid(key, "numbers of layers, those behind the last without a gap")
            }
            return Set(valid).sorted()
        }
    }
}
