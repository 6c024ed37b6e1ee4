import ExpertKernels

/// A summary of a checkpoint directory, for printing.
public struct CheckpointSummary: Sendable, CustomStringConvertible {
    /// One tensor file.
    public struct Shard: Hashable, Sendable {
        /// File name.
        public let name: String
        /// Number of tensors in it.
        public let tensors: Int
        /// Bytes of those tensors.
        public let bytes: Int
    }

    /// All tensors of one element type.
    public struct TypeCount: Hashable, Sendable {
        /// Name of the element type, as in the files.
        public let type: String
        /// Number of tensors.
        public let tensors: Int
        /// Their bytes.
        public let bytes: Int
    }

    /// Path of the directory.
    public let directory: String
    /// The model's configuration, from `config.json`.
    public let configuration: ModelConfiguration
    /// Names of the family's models.
    public let title: String
    /// The tensor files, by name.
    public let shards: [Shard]
    /// Tensors by element type, by name of the type.
    public let types: [TypeCount]
    /// Layers with at least one tensor of their router or experts, ascending.
    public let expertLayers: [Int]
    /// Layers that have experts by the configuration but no tensor here, ascending. Multi-token prediction layers,
    /// which checkpoints often leave out, do not count.
    public let absentLayers: [Int]

    /// Bytes of all tensors.
    public var bytes: Int { shards.reduce(0) { $0 + $1.bytes } }
    /// Number of all tensors.
    public var tensors: Int { shards.reduce(0) { $0 + $1.tensors } }

    /// Looks through a checkpoint directory: reads the configuration, the index and the headers of all files.
    ///
    /// Throws a `CheckpointError` for files that are missing, damaged or at odds with the index.
    public static func inspect(directory path: String) throws(CheckpointError) -> CheckpointSummary {
        let directory = try CheckpointDirectory(path: path)
        let files = try directory.open(shards: directory.shards)
        var shards: [Shard] = []
        var types: [String: (tensors: Int, bytes: Int)] = [:]
        var layers: Set<Int> = []
        for name in directory.shards {
            guard let file = files[name] else { continue }
            var bytes = 0
            for tensor in file.tensors.values {
                bytes += tensor.range.count
                let count = types[tensor.type.rawValue] ?? (0, 0)
                types[tensor.type.rawValue] = (count.tensors + 1, count.bytes + tensor.range.count)
                if let layer = expertLayer(of: tensor.name, directory.family) { layers.insert(layer) }
            }
            shards.append(Shard(name: name, tensors: file.tensors.count, bytes: bytes))
        }
        let model = directory.configuration
        let expert = layers.sorted()
        let absent = model.expertLayers.filter { !layers.contains($0) }
        return CheckpointSummary(
            directory: path, configuration: model, title: directory.family.title, shards: shards,
            types: types.map { TypeCount(type: $0.key, tensors: $0.value.tensors, bytes: $0.value.bytes) }
                .sorted { $0.type < $1.type },
            expertLayers: expert, absentLayers: absent)
    }

    /// The layer whose router or experts the tensor of this name belongs to; nil for all others.
    private static func expertLayer(of tensor: String, _ family: ModelFamily) -> Int? {
        guard tensor.hasPrefix(family.layerPrefix) else { return nil }
        let parts = tensor.dropFirst(family.layerPrefix.count).split(separator: ".", maxSplits: 1)
        guard parts.count == 2, let layer = Int(parts[0]) else { return nil }
        let names = family.tensors
        let isPart = parts[1] == names.router || names.experts.contains { parts[1].hasPrefix($0.commonPrefix) }
        return isPart ? layer : nil
    }

    /// Bytes of FP8 weights and scales of one layer's experts on one of `ranks` ranks, the shared expert included; nil
    /// unless the ranks share the experts evenly.
    public func bytesPerLayer(ranks: Int) -> Int? {
        let model = configuration
        guard ranks >= 1, model.experts % ranks == 0 else { return nil }
        let width =
            model.experts / ranks * ScaleGroup.padded(model.intermediate) + ScaleGroup.padded(model.sharedIntermediate)
        let elements = 3 * ScaleGroup.padded(model.hidden) * width
        return elements + elements / (QuantisedMatrix.block * QuantisedMatrix.block) * 4
    }

    private static func size(_ bytes: Int) -> String {
        bytes < 10 << 20 ? "\((bytes + 512) >> 10) KiB" : "\((bytes + (1 << 19)) >> 20) MiB"
    }

    /// A few lines: the model, the tensors by type, the files, the layers.
    public var description: String {
        let model = configuration
        var lines = [
            directory,
            "  family   \(title) (\(model.modelType))",
            "  model    \(model.layers) layers, hidden \(model.hidden), intermediate \(model.intermediate)",
            "  experts  \(model.experts), top \(model.topK), "
                + (model.sharedIntermediate == 0 ? "none shared" : "a shared one of \(model.sharedIntermediate)")
                + (model.hasSharedGate ? " with a gate" : "") + model.activationText,
            "  router   \(model.routerText)",
            "  ranks    "
                + [1, 2, 4, 8, 16, 32, 64].compactMap { ranks in
                    bytesPerLayer(ranks: ranks).map { "\(ranks): \(Self.size($0))" }
                }.joined(separator: ", ") + " of experts for each layer",
            "  tensors  \(tensors), \(bytes) bytes",
        ]
        for type in types {
            lines.append("    \(type.type): \(type.tensors) tensors, \(type.bytes) bytes")
        }
        lines.append("  files    \(shards.count)")
        for shard in shards {
            lines.append("    \(shard.name): \(shard.tensors) tensors, \(shard.bytes) bytes")
        }
        lines.append(
            "  layers with experts  "
                + (expertLayers.isEmpty ? "none" : expertLayers.map(String.init).joined(separator: " ")))
        if let first = absentLayers.first, let last = absentLayers.last {
            lines.append("  not here  \(absentLayers.count) of the layers with experts, from \(first) to \(last)")
        }
        return lines.map(\.escapingControls).joined(separator: "\n")
    }
}

extension TensorNames.Experts {
    /// Common prefix of the names of routed experts' tensors, after the layer's number.
    fileprivate var commonPrefix: String {
        switch self {
        case .single(let gate, _, _): String(gate.prefix { $0 != "#" })
        case .stacked(let gate, _, _): gate
        case .fused(let gateUp, _): gateUp
        }
    }
}

extension ModelConfiguration {
    /// The experts' activation, after a semicolon; empty where it is plain SwiGLU.
    fileprivate var activationText: String {
        let found = Set(expertLayers.map { activation(ofLayer: $0) }).map(\.description).sorted()
        return found == [Activation.plain.description] || found.isEmpty ? "" : "; " + found.joined(separator: ", or ")
    }

    /// The router's computation, in a line.
    public var routerText: String {
        let score =
            switch scoring {
            case .sigmoid: "sigmoid"
            case .softmax: "softmax"
            case .squareRootOfSoftplus: "square root of softplus"
            case .softmaxOfChosen: "softmax of the chosen"
            }
        return [
            score, hasCorrectionBias ? "a bias for the choice" : nil,
            groups > 1 ? "\(groupsKept) of \(groups) groups" : nil, normalisesWeights ? "normalised" : "not normalised",
            routedScale == 1 ? nil : "times \(routedScale)",
        ].compactMap { $0 }.joined(separator: ", ")
    }
}
