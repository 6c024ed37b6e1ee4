import Accelerator
import ExpertKernels
import ExpertParallel
import TemporaryFiles

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

/// The layer that is run: its sizes and weights, from a checkpoint that was given or made for the purpose.
struct LayerSource {
    let shape: LayerShape
    let checkpoint: MoELayerCheckpoint
    /// How scales of activations are rounded.
    let scaleFormat: ScaleFormat
    /// The activation between the two GEMMs of an expert.
    let activation: Activation
    /// The origin of the weights, in words.
    let origin: String
    /// The directory that was made for the checkpoint; nil where none was.
    private let temporary: String?

    /// Opens the checkpoint, or makes one.
    ///
    /// Throws `UsageError` for options that are not possible, `ShapeError` for sizes of a checkpoint, and
    /// `CheckpointError`.
    init(_ arguments: Arguments, _ settings: RunSettings, _ processes: Processes) throws {
        let device = processes.device.properties
        let defaults = ShapeOptions.Defaults.ofRun(on: device.kind)
        if let directory = arguments[RunCommand.checkpoint] {
            let layer = try arguments[RunCommand.layer] ?? Self.firstLayer(of: directory)
            checkpoint = try Self.open(directory, layer: layer, arguments)
            scaleFormat = checkpoint.configuration.scaleFormat
            activation = checkpoint.configuration.activation(ofLayer: layer)
            shape = try Self.shape(
                checkpoint.configuration, ranks: processes.ranks, tokens: settings.tokens)
            try DeviceLimits.check(
                arguments, shape, on: processes, waitLimit: settings.waitLimit(on: processes))
            origin = "layer \(layer) of \(directory)"
            temporary = nil
        } else {
            scaleFormat = settings.scaleFormat
            activation = .plain
            shape = try ShapeOptions.shape(arguments, defaults, ranks: processes.ranks, tokens: settings.tokens)
            try DeviceLimits.check(
                arguments, shape, on: processes, waitLimit: settings.waitLimit(on: processes))
            let place = try Self.directory(processes)
            do {
                checkpoint = try Self.make(shape, seed: settings.seed, in: place.path + "/checkpoint", processes)
            } catch {
                place.temporary.map(TemporaryFiles.remove)
                throw error
            }
            origin = "random weights, seed \(settings.seed), written to a checkpoint and read back"
            temporary = place.temporary
        }
    }

    /// A directory for a checkpoint that is made, which all processes of the machine see. It is the launcher's, which
    /// outlives them, if there is one; otherwise the first process makes and removes it.
    private static func directory(_ processes: Processes) throws -> (path: String, temporary: String?) {
        let given = ProcessInfo.processInfo.environment[Launcher.directoryVariable]
        if let given, processes.group != nil { return (given, nil) }
        let own = try processes.isFirstOfHost ? TemporaryFiles.makeDirectory() : nil
        let all = try processes.gather("a directory", own).map { $0 ?? nil }
        let ofHost = processes.group.flatMap { all[$0.firstOfHost] }
        return (ofHost ?? all.lazy.compactMap { $0 }.first ?? "", own)
    }

    /// Removes the directory that was made.
    func discard() {
        if let temporary { TemporaryFiles.remove(temporary) }
    }

    private static func open(
        _ directory: String, layer: Int, _ arguments: Arguments
    ) throws -> MoELayerCheckpoint {
        do {
            return try MoELayerCheckpoint(directory: directory, layer: layer)
        } catch {
            guard case .layerWithoutExperts = error, arguments[RunCommand.layer] != nil else { throw error }
            throw UsageError.invalidValue(
                option: "--layer", value: "\(layer)", expected: "a layer of \(directory) that has experts. \(error)")
        }
    }

    /// Throws `UsageError` for a number of ranks that does not divide the experts.
    private static func shape(_ model: ModelConfiguration, ranks: Int, tokens: Int) throws -> LayerShape {
        guard (1...LayerShape.mostRanks).contains(ranks), model.experts % ranks == 0 else {
            throw UsageError.invalidValue(
                option: "--ranks", value: "\(ranks)",
                expected:
                    "a number from 1 to \(LayerShape.mostRanks) that divides the checkpoint's \(model.experts) experts")
        }
        return try LayerShape(
            hidden: model.hidden, intermediate: model.intermediate, experts: model.experts, topK: model.topK,
            ranks: ranks, maxTokens: max(1, tokens), sharedExperts: model.sharedExperts)
    }

    private static func firstLayer(of directory: String) throws -> Int {
        let summary = try CheckpointSummary.inspect(directory: directory)
        // Without any, layer 0 leads to the reader's own error.
        return summary.expertLayers.first ?? 0
    }

    private static func make(
        _ shape: LayerShape, seed: UInt64, in directory: String, _ processes: Processes
    ) throws -> MoELayerCheckpoint {
        let writer = CheckpointWriter(configuration: ShapeOptions.modelConfiguration(shape), seed: seed)
        if processes.isReturning { return try MoELayerCheckpoint(directory: directory, layer: writer.layer) }
        if processes.isFirstOfHost {
            Console.progress("writing a checkpoint with random weights to \(directory)")
            try writer.write(to: directory)
            Console.progress("reading it back")
        }
        try processes.meet("the checkpoint")
        return try MoELayerCheckpoint(directory: directory, layer: writer.layer)
    }
}
