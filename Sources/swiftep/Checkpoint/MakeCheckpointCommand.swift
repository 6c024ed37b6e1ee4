import ExpertKernels
import ExpertParallel

/// `swiftep checkpoint make`
enum MakeCheckpointCommand {
    static let family = Option<String>(
        "family", "NAME", help: "Family of models: \(alternatives(ModelConfiguration.families)). Default: deepseek-v3.",
        expected: alternatives(ModelConfiguration.families)
    ) { ModelConfiguration.families.contains($0) ? $0 : nil }
    static let layer = Option<Int>.integer(
        "layer", in: 0...10_000, help: "Index of the layer. Default: 3; 0 with --family.")
    static let seed = Option<UInt64>.seed(help: "Seed of the weights. Default: 1.")
    static let bfloat16 = Option<Bool>.flag("bf16", help: "Write BF16 weights instead of FP8 ones with scales.")
    static let shards = Option<Int>.integer(
        "shards", in: 1...1_000, help: "Number of tensor files, at most one for each tensor. Default: 4.")
    static let overwrite = Option<Bool>.flag("overwrite", help: "Replace a checkpoint that is there already.")

    static let command = Command(
        name: "make",
        summary: "Writes one Mixture-of-Experts layer with random weights, as a checkpoint of a family of models.",
        discussion: [
            "Default sizes: \(ShapeOptions.Defaults.small.model). The same seed and sizes give the same bytes."
        ],
        positionals: [CheckpointCommand.directory],
        options: ShapeOptions.model + [family, layer, seed, bfloat16, shards, overwrite],
        run: { arguments in
            var defaults = ShapeOptions.Defaults.small
            defaults.ranks = 1
            let shape = try ShapeOptions.shape(arguments, defaults, tokens: 1)
            let writer = CheckpointWriter(
                configuration: model(arguments, shape),
                layer: arguments[layer] ?? (arguments[family] == nil ? 3 : 0),
                seed: arguments[seed] ?? 1, shards: arguments[shards] ?? 4,
                weightType: arguments[bfloat16] ? .bfloat16 : .float8, overwrites: arguments[overwrite])
            let directory = arguments.positionals[0]
            Console.progress("writing \(directory)")
            do throws(CheckpointError) {
                try writer.write(to: directory)
            } catch {
                guard case .optionInvalid(_, let value, let expected) = error else { throw error }
                // Of the writer's options only this one depends on others.
                throw UsageError.invalidValue(
                    option: "--" + shards.name, value: "\(value)",
                    expected: "a number \(expected), as each file holds a tensor or more")
            }
            try Console.result("\(try CheckpointSummary.inspect(directory: directory))")
            return 0
        })

    /// The model of the family that was asked for.
    private static func model(_ arguments: Arguments, _ shape: LayerShape) -> ModelConfiguration {
        let usual = ShapeOptions.modelConfiguration(shape)
        guard let name = arguments[family] else { return usual }
        return ModelConfiguration(
            family: name, hidden: shape.hidden, intermediate: shape.intermediate, experts: shape.experts,
            topK: shape.topK) ?? usual
    }
}
