/// What a checkpoint directory holds, for printing.
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
    /// What `config.json` says.
    public let configuration: ModelConfiguration
    /// The tensor files, by name.
    public let shards: [Shard]
    /// Tensors by element type, by name of the type.
    public let types: [TypeCount]
    /// Layers that have a router, ascending.
    public let expertLayers: [Int]

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
                let parts = tensor.name.split(separator: ".")
                if parts.count == 6, parts[1] == "layers", tensor.name.hasSuffix(".mlp.gate.weight"),
                    let layer = Int(parts[2])
                {
                    layers.insert(layer)
                }
            }
            shards.append(Shard(name: name, tensors: file.tensors.count, bytes: bytes))
        }
        return CheckpointSummary(
            directory: path, configuration: directory.configuration, shards: shards,
            types: types.map { TypeCount(type: $0.key, tensors: $0.value.tensors, bytes: $0.value.bytes) }
                .sorted { $0.type < $1.type },
            expertLayers: layers.sorted())
    }

    /// A few lines: the model, the tensors by type, the files, the layers.
    public var description: String {
        let model = configuration
        var lines = [
            directory,
            "  model    \(model.modelType), \(model.layers) layers, hidden \(model.hidden),"
                + " intermediate \(model.intermediate)",
            "  experts  \(model.experts), top \(model.topK), \(model.groupsKept) of \(model.groups) groups,"
                + " \(model.sharedExperts) shared, \(model.scoring), scale \(model.routedScale)",
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
        return lines.joined(separator: "\n")
    }
}
