import ExpertParallel

/// `swiftep checkpoint inspect`
enum InspectCheckpointCommand {
    static let command = Command(
        name: "inspect",
        summary: "Prints what a checkpoint holds: the model, the tensors by type, the files, the layers with experts.",
        discussion: [
            "The headers of all files are read and checked, and every tensor of the layers with experts must be there "
                + "with the type and shape that config.json asks for."
        ],
        positionals: [CheckpointCommand.directory],
        options: [CommonOptions.json],
        run: { arguments in
            let summary = try CheckpointSummary.inspect(directory: arguments.positionals[0])
            for layer in summary.expertLayers {
                _ = try MoELayerCheckpoint(directory: summary.directory, layer: layer)
            }
            if arguments[CommonOptions.json] {
                try Console.json(CheckpointReport(summary))
            } else {
                try Console.result("\(summary)")
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

    init(_ summary: CheckpointSummary) {
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
    }
}
