/// The quantisation of experts' weights and activations, as `quantization_config` declares it.
public struct QuantisationDeclaration: Hashable, Sendable {
    /// `fp8`, `compressed-tensors` or `modelopt`; nil for weights that are not quantised.
    public let method: String?
    /// Requirements on activations beyond one exact scale for each 128 channels.
    public let requirements: [LayerRequirement]

    /// No quantisation.
    public static let none = QuantisationDeclaration(method: nil, requirements: [])
    /// FP8 in blocks of 128 x 128 with dynamic activations, as DeepSeek-V3 has it.
    public static let float8Blocks = QuantisationDeclaration(method: "fp8", requirements: [])

    /// Reads an object; nil is no quantisation.
    ///
    /// Throws `configurationInvalid` for a method or a scheme that is not known, and `configurationUnread` for keys
    /// that are not.
    init(_ values: ConfigurationReader?) throws(CheckpointError) {
        guard let values else {
            self = .none
            return
        }
        let method = try values(ConfigurationKey<String>("quant_method"))
        let requirements =
            switch method {
            case "fp8": try Self.float8(values)
            case "compressed-tensors": try Self.compressedTensors(values)
            case "modelopt": try Self.modelOpt(values)
            default: throw values.invalid("quant_method", "fp8, compressed-tensors or modelopt")
            }
        let unread = values.unread
        guard unread.isEmpty else {
            throw .configurationUnread(file: values.file, keys: unread.map { values.prefix + $0 }, family: method)
        }
        self.init(method: method, requirements: requirements)
    }

    private init(method: String?, requirements: [LayerRequirement]) {
        self.method = method
        self.requirements = requirements
    }

    private static let block = JSONValue.array([128, 128])
    /// Keys of any method that name unquantised modules or the program that wrote the file. The types of tensors tell
    /// which weights are quantised.
    private static let modules = [
        "modules_to_not_convert", "ignored_layers", "ignore", "exclude_modules", "exclude", "producer", "version",
        "quantization_status", "global_compression_ratio",
    ]

    private static func float8(_ values: ConfigurationReader) throws(CheckpointError) -> [LayerRequirement] {
        for key in modules { _ = values.value(key) }
        try values.require("fmt", ["e4m3", "float8_e4m3fn"])
        try values.require("activation_scheme", ["dynamic"])
        try values.require("weight_block_size", [block])
        try values.require("dequantize", [false])
        try values.require("scale_fmt", ["ue8m0", "float"])
        return values.value("scale_fmt") == "ue8m0" ? [.powerOfTwoActivationScales] : []
    }

    private static func modelOpt(_ values: ConfigurationReader) throws(CheckpointError) -> [LayerRequirement] {
        for key in modules + ["config_groups", "quantization", "kv_cache_scheme"] { _ = values.value(key) }
        try values.require("quant_algo", ["NVFP4"])
        try values.require("kv_cache_quant_algo", ["FP8"])
        try values.require("group_size", [16])
        return [.fourBitActivations]
    }

    private static func compressedTensors(
        _ values: ConfigurationReader
    ) throws(CheckpointError) -> [LayerRequirement] {
        for key in modules { _ = values.value(key) }
        try values.require(
            "format",
            [
                "pack-quantized", "float-quantized", "naive-quantized", "mxfp4-pack-quantized", "nvfp4-pack-quantized",
                "mixed-precision",
            ])
        for key in ["kv_cache_scheme", "sparsity_config", "transform_config"] where values.value(key)?.isOff == false {
            throw values.invalid(key, "absent")
        }
        guard case .object(let groups) = values.value("config_groups") else {
            throw values.invalid("config_groups", "an object")
        }
        var requirements: [LayerRequirement] = []
        for name in groups.values.keys.sorted() {
            guard case .object(let group) = groups.values[name] else {
                throw values.invalid("config_groups", "an object of objects")
            }
            let reader = ConfigurationReader(
                file: values.file, prefix: values.prefix + "config_groups.\(name).", object: group)
            for requirement in try compressedGroup(reader) where !requirements.contains(requirement) {
                requirements.append(requirement)
            }
        }
        return requirements
    }

    /// Requirements of one group. Its weights must be symmetric, its activations unquantised or quantised dynamically.
    private static func compressedGroup(_ group: ConfigurationReader) throws(CheckpointError) -> [LayerRequirement] {
        _ = group.value("targets")
        _ = group.value("format")
        guard group.value("output_activations")?.isOff != false else {
            throw group.invalid("output_activations", "absent")
        }
        guard let weights = try group.nested("weights") else { throw group.invalid("weights", "an object") }
        try arguments(weights)
        try weights.require("symmetric", [true])
        try weights.require("dynamic", [false])
        guard let activations = try group.nested("input_activations") else { return [] }
        try arguments(activations)
        try activations.require("symmetric", [true])
        guard try activations(ConfigurationKey<Int>("num_bits")) == 8 else { return [.fourBitActivations] }
        try activations.require("type", ["float"], orAbsent: false)
        try activations.require("dynamic", [true], orAbsent: false)
        switch try activations(ConfigurationKey<String>("strategy")) {
        case "token": return [.activationsPerToken]
        case "group":
            try activations.require("group_size", [128], orAbsent: false)
            return []
        default: throw activations.invalid("strategy", "token or group")
        }
    }

    /// Reads what weights and activations have in common; the shapes of scales say the rest.
    private static func arguments(_ values: ConfigurationReader) throws(CheckpointError) {
        try values.require("num_bits", [4, 8], orAbsent: false)
        try values.require("type", ["int", "float"], orAbsent: false)
        for key in [
            "strategy", "group_size", "block_structure", "observer", "observer_kwargs", "scale_dtype", "zp_dtype",
            "symmetric", "dynamic",
        ] {
            _ = values.value(key)
        }
        guard values.value("actorder")?.isOff != false else { throw values.invalid("actorder", "absent") }
        let unread = values.unread
        guard unread.isEmpty else {
            throw .configurationUnread(
                file: values.file, keys: unread.map { values.prefix + $0 }, family: "compressed-tensors")
        }
    }
}
