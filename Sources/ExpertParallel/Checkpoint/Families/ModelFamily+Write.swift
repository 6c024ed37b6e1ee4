extension ModelFamily {
    /// The `config.json` of a model of this family.
    ///
    /// Throws `optionInvalid` where the family's keys cannot express which layers have experts.
    func encode(_ model: ModelConfiguration) throws(CheckpointError) -> JSONObject {
        var values: [String: JSONValue] = [
            hidden.names[0]: number(model.hidden), intermediate.names[0]: number(model.intermediate),
            experts.names[0]: number(model.experts), topK.names[0]: number(model.topK),
            layerCount.names[0]: number(model.layers), "hidden_act": hiddenActs[0],
        ]
        for (key, allowed) in fixed { values[key] = allowed[0] }
        encodeRouter(model, into: &values)
        switch shared {
        case .none: break
        case .multiple(let key, _):
            values[key.names[0]] = number(model.sharedIntermediate / max(1, model.intermediate))
        case .width(let key, _): values[key.names[0]] = number(model.sharedIntermediate)
        }
        if let predictionLayers { values[predictionLayers.names[0]] = number(model.predictionLayers) }
        activation.encode(model, into: &values)
        if let tokenRouted { values[tokenRouted.count.names[0]] = number(model.tokenRoutedLayers.count) }
        try layers.encode(model, into: &values)
        var outer: [String: JSONValue] = section.map { [$0: .object(JSONObject(values: values))] } ?? values
        outer["model_type"] = .string(model.modelType)
        outer["architectures"] = .array([.string(architecture)])
        outer["torch_dtype"] = "bfloat16"
        if model.quantisation.method != nil {
            outer["quantization_config"] = .object(
                JSONObject(values: [
                    "quant_method": "fp8", "fmt": "e4m3", "activation_scheme": "dynamic",
                    "weight_block_size": .array([128, 128]),
                ]))
        }
        return JSONObject(values: outer)
    }

    private func encodeRouter(_ model: ModelConfiguration, into values: inout [String: JSONValue]) {
        if case .key(let key) = router.normalise { values[key.names[0]] = .bool(model.normalisesWeights) }
        if let scale = router.scale { values[scale.names[0]] = .number("\(model.routedScale)") }
        if let groups = router.groups {
            values[groups.count.names[0]] = number(model.groups)
            values[groups.kept.names[0]] = number(model.groupsKept)
        }
        if let methods = router.methods {
            let method = methods.usesGroups.first { $0.value == (model.groups > 1) }
            values[methods.key.names[0]] = method.map { .string($0.key) }
        }
    }
}

private func number(_ value: Int) -> JSONValue { .number("\(value)") }

extension LayerRule {
    fileprivate func encode(
        _ model: ModelConfiguration, into values: inout [String: JSONValue]
    ) throws(CheckpointError) {
        let dense = model.expertLayers.first ?? model.layers
        let sparse = Set(model.expertLayers)
        switch self {
        case .all:
            guard dense == 0 else {
                throw .optionInvalid(
                    option: "The layer", value: dense,
                    expected: "0: all layers of the family \(model.family) have experts, and one is written")
            }
        case .afterDense(let key), .types(_, let key): values[key.names[0]] = number(dense)
        case .everyNth(let key, let except):
            values[key.names[0]] = 1
            values[except] = .array((0..<dense).map(number))
        case .flags(let key): values[key] = .array((0..<model.layers).map { sparse.contains($0) ? 1 : 0 })
        case .range(let start, let end, let interval):
            values[start.names[0]] = number(dense)
            values[end.names[0]] = number(model.layers - 1)
            values[interval.names[0]] = 1
        case .enumerated(let key):
            values[key] = .string(model.expertLayers.map(String.init).joined(separator: ","))
        }
    }
}
