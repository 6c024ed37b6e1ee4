import Synchronization

/// One mixture-of-experts layer of a checkpoint on disk.
///
/// Opening reads the headers only and checks that every tensor of the layer is there with the right type and shape, and
/// that no tensor of its experts is left over. The bytes of an expert are read when that expert is asked for, so a rank
/// touches its own experts alone.
public struct MoELayerCheckpoint: Sendable {
    /// The model's configuration.
    public let configuration: ModelConfiguration
    /// Index of the layer in the model.
    public let layer: Int
    /// Requirements of the layer beyond those of every layer; see ``LayerRequirement``.
    public let requirements: [LayerRequirement]

    private let routerWeight: TensorSource
    private let routerBias: TensorSource?
    private let sharedGate: TensorSource?
    private let shared: ExpertSource?
    private let experts: [ExpertSource]
    private let losses = Losses()

    /// Opens one layer of the checkpoint in a directory, to run it.
    ///
    /// Throws a `CheckpointError`: for files that cannot be read or are damaged, for a `layer` without experts, for
    /// tensors that are missing, left over, or do not have the type and shape that `config.json` asks for, and
    /// `layerUnsupported` for a layer with requirements that the kernels do not meet.
    public init(directory path: String, layer: Int) throws(CheckpointError) {
        try self.init(describing: path, layer: layer)
        let unsupported = requirements.filter { !$0.isSupported }
        guard unsupported.isEmpty else {
            throw .layerUnsupported(directory: path, layer: layer, requirements: unsupported)
        }
    }

    /// Opens one layer to look at it, whatever it needs; throws as the other initialiser, but not `layerUnsupported`.
    public init(describing path: String, layer: Int) throws(CheckpointError) {
        let directory = try CheckpointDirectory(path: path)
        let files = try TensorLookup.files(of: directory, prefixes: directory.prefixes(ofLayer: layer))
        try self.init(directory, files: files, layer: layer)
    }

    /// Opens several layers to look at them, and each file once; throws as `init(describing:layer:)`.
    public static func describing(_ path: String, layers: [Int]) throws(CheckpointError) -> [MoELayerCheckpoint] {
        let directory = try CheckpointDirectory(path: path)
        let files = try directory.open(shards: directory.shards)
        var opened: [MoELayerCheckpoint] = []
        for layer in layers { opened.append(try MoELayerCheckpoint(directory, files: files, layer: layer)) }
        return opened
    }

    private init(
        _ directory: CheckpointDirectory, files: [String: SafetensorsFile], layer: Int
    ) throws(CheckpointError) {
        let model = directory.configuration
        guard model.hasExperts(inLayer: layer) else {
            throw .layerWithoutExperts(layer: layer, with: model.rangesWithExperts)
        }
        configuration = model
        self.layer = layer
        requirements = model.requirements(ofLayer: layer)

        let (names, prefix) = (directory.family.tensors, directory.family.layerPrefix + "\(layer).")
        let parts = directory.prefixes(ofLayer: layer)
        let lookup = TensorLookup(directory, files: files)
        routerWeight = try lookup.tensor(prefix + names.router)
        try routerWeight.expect(types: [.bfloat16, .float32], shape: [model.experts, model.hidden])
        if let rule = directory.family.tokenRouted, model.tokenRoutedLayers.contains(layer) {
            let table = try lookup.tensor(prefix + rule.table)
            // One row for each token id; the vocabulary's size is not checked here.
            try table.expect(
                types: [.int64, .int32], shape: [table.tensor.shape.first ?? 0, model.topK])
            routerBias = nil
        } else if let name = names.choiceBias {
            let bias = try lookup.tensor(prefix + name)
            // ERNIE's has a dimension for groups, of which it has one.
            let shape = bias.tensor.shape == [1, model.experts] ? [1, model.experts] : [model.experts]
            try bias.expect(types: [.float32, .bfloat16], shape: shape)
            routerBias = bias
        } else {
            routerBias = nil
        }
        if let shared = names.shared, model.sharedIntermediate > 0 {
            self.shared = try ExpertSource(lookup, model, prefix, shared)
        } else {
            shared = nil
        }
        if let name = names.sharedGate, model.hasSharedGate {
            let gate = try lookup.tensor(prefix + name)
            try gate.expect(types: [.bfloat16, .float32], shape: [1, model.hidden])
            sharedGate = gate
        } else {
            sharedGate = nil
        }
        experts = try ExpertSource.all(lookup, model, prefix, names.experts)
        let unread = lookup.unread(under: parts)
        if let first = unread.first {
            throw .tensorsUnread(directory: directory.path, layer: layer, first: first, count: unread.count)
        }
    }

    /// The formats in which the matrices of the layer's experts are stored, the shared one's among them, each once.
    public var formats: [WeightFormat] {
        var formats: [WeightFormat] = []
        for expert in (shared.map { [$0] } ?? []) + experts {
            for format in expert.formats where !formats.contains(format) { formats.append(format) }
        }
        return formats
    }

    /// Whether some matrix has a scale for each row, for `GroupConfiguration.channelScales`.
    public var hasChannelScales: Bool { formats.contains(.float8PerRow) }

    /// Whether the model has one activation scale for each token; kernels have one for each 128 channels, which is
    /// finer.
    public var hasActivationsPerToken: Bool { requirements.contains(.activationsPerToken) }

    /// Loss of converting to FP8 the experts that have been read so far; nil if there was none.
    public var conversionLoss: ConversionLoss? { losses.sum }

    /// The router's weight and bias, and the gate on the shared expert if that has one. Throws `valueNotFinite`.
    public func router() throws(CheckpointError) -> RouterWeights {
        RouterWeights(
            weight: try routerWeight.floats(),
            correctionBias: try routerBias?.floats() ?? [Float](repeating: 0, count: configuration.experts),
            sharedGate: try sharedGate?.floats())
    }

    /// The shared expert, or nil when the model has none. Throws `valueNotFinite` and `conversionInexact`.
    public func sharedExpert() throws(CheckpointError) -> ExpertWeights? {
        guard let shared else { return nil }
        return losses.noting(try shared.load(), of: nil)
    }

    /// The weights of one expert, `0..<experts`; BF16 weights are quantised.
    ///
    /// Throws `expertOutOfRange`, `valueNotFinite` and `conversionInexact`.
    public func expert(_ index: Int) throws(CheckpointError) -> ExpertWeights {
        guard experts.indices.contains(index) else {
            throw .expertOutOfRange(expert: index, experts: experts.count)
        }
        return losses.noting(try experts[index].load(), of: index)
    }
}

/// Losses of conversions by expert; nil is the shared one.
private final class Losses: Sendable {
    private let byExpert = Mutex<[Int?: ConversionLoss]>([:])

    func noting(_ weights: ExpertWeights, of expert: Int?) -> ExpertWeights {
        if let loss = weights.loss { byExpert.withLock { $0[expert] = loss } }
        return weights
    }

    var sum: ConversionLoss? {
        let losses = byExpert.withLock { $0.values.map { $0 } }
        guard !losses.isEmpty else { return nil }
        return losses.reduce(into: ConversionLoss()) { $0.add($1) }
    }
}

/// The tensors of one expert on disk.
private struct ExpertSource {
    let gate: MatrixSource
    let up: MatrixSource
    let down: MatrixSource

    var formats: [WeightFormat] { [gate.format, up.format, down.format] }

    func load() throws(CheckpointError) -> ExpertWeights {
        ExpertWeights(gate: try gate.load(), up: try up.load(), down: try down.load())
    }

    /// The shared expert.
    init(
        _ lookup: TensorLookup, _ model: ModelConfiguration, _ prefix: String,
        _ names: (gate: String, up: String, down: String)
    ) throws(CheckpointError) {
        let width = model.sharedIntermediate
        let declared = model.quantisation
        gate = try MatrixSource(lookup, prefix + names.gate, rows: width, columns: model.hidden, declared: declared)
        up = try MatrixSource(lookup, prefix + names.up, rows: width, columns: model.hidden, declared: declared)
        down = try MatrixSource(lookup, prefix + names.down, rows: model.hidden, columns: width, declared: declared)
    }

    /// All routed experts, in the first of these layouts of which the checkpoint has a tensor.
    static func all(
        _ lookup: TensorLookup, _ model: ModelConfiguration, _ prefix: String, _ ways: [TensorNames.Experts]
    ) throws(CheckpointError) -> [ExpertSource] {
        let way = ways.first { way in lookup.has(prefix + way.firstTensor) } ?? ways[0]
        var experts: [ExpertSource] = []
        experts.reserveCapacity(model.experts)
        for expert in 0..<model.experts {
            experts.append(try ExpertSource(lookup, model, prefix, way, expert))
        }
        return experts
    }

    private init(
        _ lookup: TensorLookup, _ model: ModelConfiguration, _ prefix: String, _ way: TensorNames.Experts, _ expert: Int
    ) throws(CheckpointError) {
        let (rows, columns) = (model.intermediate, model.hidden)
        func matrix(
            _ name: String, _ rows: Int, _ columns: Int, _ place: MatrixSource.Place
        ) throws(CheckpointError) -> MatrixSource {
            let number = name.replacing("#", with: "\(expert)")
            return try MatrixSource(
                lookup, prefix + number, rows: rows, columns: columns, place, declared: model.quantisation)
        }
        var place = MatrixSource.Place()
        switch way {
        case .single(let gateName, let upName, let downName):
            gate = try matrix(gateName, rows, columns, place)
            up = try matrix(upName, rows, columns, place)
            down = try matrix(downName, columns, rows, place)
        case .stacked(let gateName, let upName, let downName):
            place.expert = (expert, model.experts)
            gate = try matrix(gateName, rows, columns, place)
            up = try matrix(upName, rows, columns, place)
            down = try matrix(downName, columns, rows, place)
        case .fused(let gateUpName, let downName):
            place.expert = (expert, model.experts)
            place.isParameter = true
            down = try matrix(downName, columns, rows, place)
            place.part = (0, 2)
            gate = try matrix(gateUpName, rows, columns, place)
            place.part = (1, 2)
            up = try matrix(gateUpName, rows, columns, place)
        }
    }
}

extension TensorNames.Experts {
    /// The tensor whose presence tells this layout from the others.
    var firstTensor: String {
        switch self {
        case .single(let gate, _, _), .stacked(let gate, _, _): gate.replacing("#", with: "0") + ".weight"
        case .fused(let gateUp, _): gateUp
        }
    }
}
