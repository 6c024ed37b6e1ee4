import ExpertParallel
import KernelLanguage
import TestSupport
import Testing

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

/// What `Tests/Families` says of a directory that it wrote.
struct FamilyExpectation: Decodable {
    var layer: Int
    /// BF16 bits, `[tokens, hidden]`.
    var hidden: [UInt16]
    var chosen: [[Int64]]?
    var weights: [[Double]]?
    /// nil where the shared expert has no gate.
    var sharedWeights: [Double]?
    var outputs: [[Double]]?
    /// The output where activations are rounded by 128 channels, with scales that are powers of two if the model's are;
    /// nil for models that are not compared so.
    var rounded: [[Double]]?
    /// Why there is no right result.
    var reason: String?
    var `case`: String?
    var mutations: [String]?

    init(directory: String) throws {
        let decoder = JSONDecoder()
        decoder.keyDecodingStrategy = .convertFromSnakeCase
        self = try decoder.decode(
            FamilyExpectation.self, from: Data(contentsOf: URL(filePath: directory + "/expected.json")))
    }
}

/// What this package makes of a layer on disk, on the host.
struct FamilyResult {
    let routing: Routing
    let output: [Double]
    let checkpoint: MoELayerCheckpoint

    /// Routes hidden states and computes the layer in FP64. Throws what readers and router throw.
    init(directory: String, layer: Int, hidden: [BFloat16]) throws {
        checkpoint = try MoELayerCheckpoint(describing: directory, layer: layer)
        let model = checkpoint.configuration
        // All of them, as on a device: one that no token chooses must be right as well.
        let experts = try (0..<model.experts).map(checkpoint.expert)
        let router = try Router(
            configuration: model.router(), weights: checkpoint.router(), hidden: model.hidden)
        routing = try router.route(hidden)
        var reference = try LayerReference(
            experts: model.experts, hidden: model.hidden, intermediate: model.intermediate, model: .none)
        reference.activation = model.activation(ofLayer: layer)
        output = try reference.output(
            of: [RankInput(hiddenStates: hidden, routing: routing)], shared: checkpoint.sharedExpert()
        ) { experts[$0] }[0]
    }

    /// What differs from the expectation, nil if nothing does.
    func difference(from expected: FamilyExpectation) -> String? {
        guard let chosen = expected.chosen, let weights = expected.weights, let outputs = expected.outputs else {
            return "there is a result, and nothing is right: \(expected.reason ?? "")"
        }
        if routing.experts != chosen.flatMap({ $0 }) { return "chosen \(routing.experts) instead of \(chosen)" }
        for (weight, wanted) in zip(routing.weights, weights.flatMap { $0 })
        where (Double(weight) - wanted).magnitude > 2e-6 * wanted.magnitude + 1e-30 {
            return "weight \(weight) instead of \(wanted)"
        }
        if (routing.sharedWeights == nil) != (expected.sharedWeights == nil) {
            return "shared weights are \(routing.sharedWeights as Any) instead of \(expected.sharedWeights as Any)"
        }
        for (weight, wanted) in zip(routing.sharedWeights ?? [], expected.sharedWeights ?? [])
        where (Double(weight) - wanted).magnitude > 2e-6 * wanted.magnitude + 1e-30 {
            return "shared weight \(weight) instead of \(wanted)"
        }
        let error = relativeError(output, outputs.flatMap { $0 })
        // Weights are FP32 here, and scores are rounded to FP32 before.
        return error > 2e-6 ? "the output is off by \(error)" : nil
    }
}

/// The directories of `Tests/Families/generate.py`, written once.
enum FamilyCases {
    /// Their names, with the family that each must be read as.
    static let all: [(name: String, family: String)] = [
        ("deepseek-v2", "deepseek-v2"), ("deepseek-v2-lite", "deepseek-v2"), ("deepseek-v3", "deepseek-v3"),
        ("deepseek-v3-prediction", "deepseek-v3"), ("deepseek-v3-e8m0", "deepseek-v3"),
        ("deepseek-v3.1", "deepseek-v3"), ("deepseek-v3.2", "deepseek-v3.2"), ("deepseek-v4", "deepseek-v4"),
        ("deepseek-v4-base", "deepseek-v4"), ("dots1", "dots1"),
        ("ernie-4.5", "ernie-4.5"), ("glm-4.5", "glm-4.5"), ("glm-4.5-fp8", "glm-4.5"),
        ("glm-4.5-fp8-mixed", "glm-4.5"), ("glm-4.7-flash", "glm-4.7-flash"), ("glm-5", "glm-5"),
        ("glm-5.3-flash", "glm-5.3-flash"),
        ("hunyuan", "hunyuan"), ("kimi-k2", "kimi-k2"), ("kimi-k2-int4", "kimi-k2"), ("ling-1", "ling-1"),
        ("ling-2", "ling-2"), ("mimo-v2", "mimo-v2"), ("minimax-m2", "minimax-m2"),
        ("minimax-m3", "minimax-m3"), ("mixtral", "mixtral"),
        ("qwen2-moe", "qwen2-moe"), ("qwen3-moe", "qwen3-moe"), ("qwen3-moe-blocks", "qwen3-moe"),
        ("qwen3-moe-fp8", "qwen3-moe"),
        ("qwen3-moe-mxfp4", "qwen3-moe"), ("qwen3-moe-nvfp4", "qwen3-moe"), ("qwen3-moe-stacked", "qwen3-moe"),
        ("qwen3-moe-stacked-fp8", "qwen3-moe"), ("qwen3-moe-tensor", "qwen3-moe"), ("qwen3-next", "qwen3-next"),
        ("qwen3.5-moe", "qwen3.5-moe"), ("solar-open", "solar-open"), ("step-3.5", "step-3.5"),
        ("step-3.5-clamped", "step-3.5"),
    ]

    static let scripts =
        URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
        .path + "/Families"

    private static let written = write([])

    /// The directory that holds all cases.
    static func directory() throws -> String { try written.get().path + "/cases" }

    /// Cases that are written a second time, in sizes that are no multiples of 128: a family each of the ways in which
    /// weights are stored.
    static let padded = [
        "deepseek-v3", "deepseek-v3-e8m0", "deepseek-v3.1", "deepseek-v4", "glm-4.5", "glm-4.5-fp8", "kimi-k2-int4",
        "qwen3-moe-blocks", "qwen3-moe-mxfp4", "qwen3-moe-stacked", "qwen3-moe-tensor", "qwen3-next",
    ]
    /// Gate above up in one tensor of such a size, whose blocks are of both.
    static let straddling = "qwen3-moe-stacked-fp8"

    private static let paddedWritten = write(padded + [straddling], sizes: "224,96,8,3")

    /// The directory that holds those.
    static func paddedDirectory() throws -> String { try paddedWritten.get().path + "/cases" }

    /// - Parameter sizes: Channels, width of an expert, experts and chosen ones.
    private static func write(_ names: [String], sizes: String? = nil) -> Result<TemporaryDirectory, any Error> {
        Result {
            let directory = try TemporaryDirectory()
            let environment = sizes.map { ["FAMILIES_SIZES": $0] } ?? [:]
            try Python.run(
                ["\(scripts)/generate.py", directory.path + "/cases"] + names, environment: environment)
            return directory
        }
    }
}
