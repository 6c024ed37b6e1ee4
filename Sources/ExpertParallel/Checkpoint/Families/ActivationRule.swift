import ExpertKernels

/// The activation of a family's experts, and the keys that it is read from.
enum ActivationRule: Sendable {
    /// Plain SwiGLU.
    case plain
    /// A limit for all experts and layers, with the gate's factor where it has a key, and the offset added to up.
    case limit(ConfigurationKey<Double>, alpha: ConfigurationKey<Double>? = nil, offset: Float = 0)
    /// Keys of lists with a limit for each layer, that of routed experts and that of the shared one, which clamp silu
    /// of the gate; 0 and null for none.
    case lists(routed: String, shared: String)

    /// The activation of a model that is not read from a file.
    func usual() -> Activation {
        guard case .limit(let key, let alpha, let offset) = self else { return .plain }
        return Activation(limit: Float(key.absent ?? 10), alpha: Float(alpha?.absent ?? 1), offset: offset)
    }

    /// Reads the activation, and those of single layers. Throws `configurationInvalid` for limits and factors that are
    /// not positive.
    func read(_ values: ConfigurationReader, into model: inout ModelConfiguration) throws(CheckpointError) {
        switch self {
        case .plain: break
        case .limit(let key, let alpha, let offset):
            let limit = try positive(key, values)
            let factor = try alpha.map { (key) throws(CheckpointError) in try positive(key, values) } ?? 1
            model.activation = Activation(limit: limit, alpha: factor, offset: offset)
        case .lists(let routed, let shared):
            let (routed, shared) = (try limits(routed, values), try limits(shared, values))
            for layer in Set(routed.keys).union(shared.keys) {
                model.layerActivations[layer] = Activation(
                    limit: routed[layer], sharedLimit: shared[layer], clamping: .output)
            }
        }
    }

    private func positive(
        _ key: ConfigurationKey<Double>, _ values: ConfigurationReader
    ) throws(CheckpointError) -> Float {
        let value = Float(try values(key))
        guard value >= .leastNormalMagnitude, value.isFinite else {
            throw values.invalid(key.names[0], "a positive number that FP32 can hold")
        }
        return value
    }

    /// The limits of a list by layer, without those of layers that have none.
    private func limits(_ key: String, _ values: ConfigurationReader) throws(CheckpointError) -> [Int: Float] {
        guard let value = values.value(key) else { return [:] }
        let expected = "a list of numbers, 0 or null for no limit"
        guard case .array(let list) = value else { throw values.invalid(key, expected) }
        var limits: [Int: Float] = [:]
        for (layer, element) in list.enumerated() where element != .null {
            guard let number = element.double else { throw values.invalid(key, expected) }
            if number == 0 { continue }
            guard Float(number) >= .leastNormalMagnitude, Float(number).isFinite else {
                throw values.invalid(key, expected)
            }
            limits[layer] = Float(number)
        }
        return limits
    }

    /// Writes it.
    func encode(_ model: ModelConfiguration, into values: inout [String: JSONValue]) {
        switch self {
        case .plain: break
        case .limit(let key, let alpha, _):
            values[key.names[0]] = model.activation.limit.map { .number("\($0)") }
            if let alpha { values[alpha.names[0]] = .number("\(model.activation.alpha)") }
        case .lists(let routed, let shared):
            let all = (0..<model.layers + model.predictionLayers).map(model.activation(ofLayer:))
            guard all.contains(where: { $0 != .plain }) else { return }
            values[routed] = .array(all.map { .number("\($0.limit ?? 0)") })
            values[shared] = .array(all.map { .number("\($0.sharedLimit ?? 0)") })
        }
    }

    /// For documentation; nil for plain SwiGLU.
    var text: String? {
        switch self {
        case .plain: nil
        case .limit(let key, let alpha, _):
            "SwiGLU clamped to `\(key.names[0])`" + (alpha.map { ", with the factor `\($0.names[0])`" } ?? "")
        case .lists(let routed, let shared): "SwiGLU clamped to `\(routed)` and `\(shared)`"
        }
    }
}
