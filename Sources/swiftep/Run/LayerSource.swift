import Accelerator
import ExpertKernels
import ExpertParallel

/// The layer that is run: its sizes and weights, from a checkpoint that was given or made for the purpose.
struct LayerSource {
    let shape: LayerShape
    let checkpoint: MoELayerCheckpoint
    /// Where the weights come from, for people.
    let origin: String
    private let temporary: TemporaryDirectory?

    /// Opens the checkpoint, or makes one.
    ///
    /// Throws `UsageError` for sizes on the command line that are not possible, `ShapeError` for those of a checkpoint, and
    /// `CheckpointError`.
    init(_ arguments: Arguments, _ settings: RunSettings, _ kind: DeviceProperties.Kind) throws {
        let defaults = kind == .cuda ? ShapeOptions.Defaults.deepSeekV3 : .small
        if let directory = arguments[RunCommand.checkpoint] {
            let layer = try arguments[RunCommand.layer] ?? Self.firstLayer(of: directory)
            checkpoint = try MoELayerCheckpoint(directory: directory, layer: layer)
            let model = checkpoint.configuration
            shape = try LayerShape(
                hidden: model.hidden, intermediate: model.intermediate, experts: model.experts, topK: model.topK,
                ranks: arguments[ShapeOptions.ranks] ?? defaults.ranks, maxTokens: max(1, settings.tokens),
                sharedExperts: model.sharedExperts)
            origin = "layer \(layer) of \(directory)"
            temporary = nil
        } else {
            shape = try ShapeOptions.shape(arguments, defaults, tokens: settings.tokens)
            let place = try TemporaryDirectory()
            do {
                checkpoint = try Self.make(shape, seed: settings.seed, in: place.path + "/checkpoint")
            } catch {
                place.remove()
                throw error
            }
            origin = "random weights, seed \(settings.seed), written to a checkpoint and read back"
            temporary = place
        }
    }

    /// Removes what was made.
    func discard() { temporary?.remove() }

    private static func firstLayer(of directory: String) throws -> Int {
        let summary = try CheckpointSummary.inspect(directory: directory)
        // Without any, layer 0 gives the reader's own error.
        return summary.expertLayers.first ?? 0
    }

    private static func make(_ shape: LayerShape, seed: UInt64, in directory: String) throws -> MoELayerCheckpoint {
        let writer = CheckpointWriter(configuration: ShapeOptions.modelConfiguration(shape), seed: seed)
        Console.progress("writing a checkpoint with random weights to \(directory)")
        try writer.write(to: directory)
        Console.progress("reading it back")
        return try MoELayerCheckpoint(directory: directory, layer: writer.layer)
    }
}
