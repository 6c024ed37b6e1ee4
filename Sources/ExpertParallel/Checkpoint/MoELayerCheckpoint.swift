/// One mixture-of-experts layer of a checkpoint on disk.
///
/// Opening reads the headers only and checks that every tensor of the layer is there with the right type and shape.
/// The bytes of an expert are read when that expert is asked for, so a rank touches its own experts alone.
public struct MoELayerCheckpoint: Sendable {
    /// The model's configuration.
    public let configuration: ModelConfiguration
    /// Index of the layer in the model.
    public let layer: Int

    private let routerWeight: TensorSource
    private let routerBias: TensorSource?
    private let shared: ExpertSource?
    private let experts: [ExpertSource]

    /// Opens one layer of the checkpoint in a directory.
    ///
    /// Throws a `CheckpointError`: for files that cannot be read or are damaged, for a `layer` without experts, and for
    /// tensors that are missing or do not have the type and shape that `config.json` asks for.
    public init(directory path: String, layer: Int) throws(CheckpointError) {
        let directory = try CheckpointDirectory(path: path)
        let configuration = directory.configuration
        guard layer >= configuration.denseLayers, layer < configuration.layers else {
            throw .layerWithoutExperts(
                layer: layer, first: configuration.denseLayers, last: configuration.layers - 1)
        }
        let prefix = "model.layers.\(layer).mlp."
        let lookup = try TensorLookup(directory: directory, prefix: prefix)
        self.configuration = configuration
        self.layer = layer

        routerWeight = try lookup.tensor(prefix + "gate.weight")
        try routerWeight.expect(
            types: [.bfloat16, .float32], shape: [configuration.experts, configuration.hidden])
        if configuration.hasCorrectionBias {
            let bias = try lookup.tensor(prefix + "gate.e_score_correction_bias")
            try bias.expect(types: [.float32, .bfloat16], shape: [configuration.experts])
            routerBias = bias
        } else {
            routerBias = nil
        }
        if configuration.sharedExperts > 0 {
            shared = try ExpertSource(
                lookup, prefix: prefix + "shared_experts.", hidden: configuration.hidden,
                intermediate: configuration.sharedIntermediate)
        } else {
            shared = nil
        }
        var experts: [ExpertSource] = []
        experts.reserveCapacity(configuration.experts)
        for expert in 0..<configuration.experts {
            experts.append(
                try ExpertSource(
                    lookup, prefix: prefix + "experts.\(expert).", hidden: configuration.hidden,
                    intermediate: configuration.intermediate))
        }
        self.experts = experts
    }

    /// The router's weight and bias. Throws `valueNotFinite`.
    public func router() throws(CheckpointError) -> RouterWeights {
        RouterWeights(
            weight: try routerWeight.floats(),
            correctionBias: try routerBias?.floats() ?? [Float](repeating: 0, count: configuration.experts))
    }

    /// The shared expert, or nil when the model has none. Throws `valueNotFinite`.
    public func sharedExpert() throws(CheckpointError) -> ExpertWeights? {
        try shared?.load()
    }

    /// The weights of one expert, `0..<experts`; BF16 weights are quantised.
    ///
    /// Throws `expertOutOfRange` and `valueNotFinite`.
    public func expert(_ index: Int) throws(CheckpointError) -> ExpertWeights {
        guard experts.indices.contains(index) else {
            throw .expertOutOfRange(expert: index, experts: experts.count)
        }
        return try experts[index].load()
    }
}

/// Finds tensors by name in the files that hold those of one layer.
private struct TensorLookup {
    let directory: CheckpointDirectory
    let files: [String: SafetensorsFile]

    init(directory: CheckpointDirectory, prefix: String) throws(CheckpointError) {
        self.directory = directory
        if let map = directory.shardOfTensor {
            files = try directory.open(shards: Set(map.filter { $0.key.hasPrefix(prefix) }.values))
        } else {
            files = try directory.open(shards: directory.shards)
        }
    }

    func tensor(_ name: String) throws(CheckpointError) -> TensorSource {
        let shard = directory.shardOfTensor.map { $0[name] } ?? CheckpointDirectory.FileName.single
        guard let shard else {
            throw .tensorMissing(
                file: directory.path(of: CheckpointDirectory.FileName.index), tensor: name)
        }
        guard let file = files[shard], let tensor = file.tensors[name] else {
            throw .tensorMissing(file: directory.path(of: shard), tensor: name)
        }
        return TensorSource(file: file, tensor: tensor)
    }
}

/// The tensors of one expert on disk.
private struct ExpertSource {
    let gate: MatrixSource
    let up: MatrixSource
    let down: MatrixSource

    init(_ lookup: TensorLookup, prefix: String, hidden: Int, intermediate: Int) throws(CheckpointError) {
        gate = try MatrixSource(lookup, name: prefix + "gate_proj.weight", rows: intermediate, columns: hidden)
        up = try MatrixSource(lookup, name: prefix + "up_proj.weight", rows: intermediate, columns: hidden)
        down = try MatrixSource(lookup, name: prefix + "down_proj.weight", rows: hidden, columns: intermediate)
    }

    func load() throws(CheckpointError) -> ExpertWeights {
        ExpertWeights(gate: try gate.load(), up: try up.load(), down: try down.load())
    }
}

/// A weight matrix on disk: FP8 with scales, or BF16.
private struct MatrixSource {
    let values: TensorSource
    let scales: TensorSource?
    let rows: Int
    let columns: Int

    init(_ lookup: TensorLookup, name: String, rows: Int, columns: Int) throws(CheckpointError) {
        let block = QuantisedMatrix.block
        values = try lookup.tensor(name)
        try values.expect(types: [.float8e4m3, .bfloat16], shape: [rows, columns])
        if values.tensor.type == .float8e4m3 {
            let scales = try lookup.tensor(name + "_scale_inv")
            try scales.expect(types: [.float32], shape: [(rows + block - 1) / block, (columns + block - 1) / block])
            self.scales = scales
        } else {
            scales = nil
        }
        guard rows % block == 0, columns % block == 0 else {
            throw .dimensionNotMultiple(matrix: name, rows: rows, columns: columns, multiple: block)
        }
        self.rows = rows
        self.columns = columns
    }

    func load() throws(CheckpointError) -> QuantisedMatrix {
        let name = values.tensor.name
        if let scales {
            return try QuantisedMatrix(
                rows: rows, columns: columns, values: try values.float8Codes(), scales: try scales.floats(), name: name)
        }
        return try QuantisedMatrix(quantising: try values.bfloats(), rows: rows, columns: columns, name: name)
    }
}
