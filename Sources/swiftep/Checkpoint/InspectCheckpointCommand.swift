import ExpertKernels
import ExpertParallel

/// `swiftep checkpoint inspect`
enum InspectCheckpointCommand {
    static let command = Command(
        name: "inspect",
        summary: "Prints what a checkpoint holds and whether it can be run: family, router, formats, sizes, files.",
        discussion: [
            "The headers of all files are read and checked, and every tensor of the layers with experts must be there with "
                + "the type and shape that config.json asks for. Layers that predict further tokens may be left out as a whole."
        ],
        positionals: [CheckpointCommand.directory],
        options: [CommonOptions.json],
        run: { arguments in
            let summary = try CheckpointSummary.inspect(directory: arguments.positionals[0])
            let layers = try MoELayerCheckpoint.describing(
                summary.directory, layers: summary.absentLayers.prefix(1) + summary.expertLayers)
            let report = CheckpointReport(summary, layers)
            if arguments[CommonOptions.json] {
                try Console.json(report)
            } else {
                try Console.result("\(summary)\n\(report.text)")
            }
            return 0
        })
}

/// A summary as JSON.
private struct CheckpointReport: Encodable {
    struct File: Encodable {
        let name: String
        let tensors: Int
        let bytes: Int
    }

    let directory: String
    let modelType: String
    let layers: Int
    let hidden: Int
    let intermediate: Int
    let sharedIntermediate: Int
    let experts: Int
    let topK: Int
    let tensors: Int
    let bytes: Int
    let types: [File]
    let files: [File]
    let expertLayers: [Int]
    let family: String
    let router: String
    /// The formats of experts.
    let formats: [String]
    /// Whether activations have one scale for each token, where kernels have one for each 128 channels.
    let activationsPerToken: Bool
    /// Why layers cannot be run; empty if all can.
    let obstacles: [String]

    init(_ summary: CheckpointSummary, _ checked: [MoELayerCheckpoint]) {
        let model = summary.configuration
        directory = summary.directory
        modelType = model.modelType
        layers = model.layers
        hidden = model.hidden
        intermediate = model.intermediate
        sharedIntermediate = model.sharedIntermediate
        experts = model.experts
        topK = model.topK
        tensors = summary.tensors
        bytes = summary.bytes
        types = summary.types.map { File(name: $0.type, tensors: $0.tensors, bytes: $0.bytes) }
        files = summary.shards.map { File(name: $0.name, tensors: $0.tensors, bytes: $0.bytes) }
        expertLayers = summary.expertLayers
        family = model.family
        router = model.routerText
        formats = Set(checked.flatMap(\.formats).map(\.description)).sorted()
        activationsPerToken = checked.contains(where: \.hasActivationsPerToken)
        obstacles = Self.obstacles(model) + Self.obstacles(checked)
    }

    /// Sizes that the kernels do not support, as texts.
    private static func obstacles(_ model: ModelConfiguration) -> [String] {
        do {
            _ = try LayerShape(
                hidden: model.hidden, intermediate: model.intermediate, experts: model.experts, topK: model.topK,
                ranks: 1, maxTokens: 1, sharedExperts: model.sharedExperts)
            return []
        } catch {
            return ["\(error)"]
        }
    }

    /// A line for each requirement that is not supported, with the layers that have it.
    private static func obstacles(_ layers: [MoELayerCheckpoint]) -> [String] {
        var numbers: [String: [Int]] = [:]
        for layer in layers {
            for requirement in layer.requirements where !requirement.isSupported {
                numbers[requirement.description, default: []].append(layer.layer)
            }
        }
        return numbers.sorted { $0.key < $1.key }.map { text, found in
            (found.count == layers.count ? "all layers" : "layers " + found.map(String.init).joined(separator: " "))
                + " need \(text)"
        }
    }

    /// Lines beyond those of the summary.
    var text: String {
        let kept = "  formats  \(formats.isEmpty ? "none" : formats.joined(separator: "; "))"
        let scales =
            activationsPerToken
            ? "\n  scales   of activations for each token; kernels have one for each 128 channels, which is finer" : ""
        let run =
            obstacles.isEmpty
            ? "  run      takes these layers" : "  run      refuses: \(obstacles.joined(separator: "; "))"
        return kept + scales + "\n" + run
    }
}
