import Dispatch
import ExpertKernels
import KernelLanguage
import Synchronization

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

/// Writes a checkpoint of one mixture-of-experts layer with random weights, as the configuration's family does.
///
/// The same seed and options give the same bytes, whatever the number of files or threads. Weights are roughly normal
/// with a standard deviation of about `1 / columns.squareRoot()`, so that activations keep their size.
public struct CheckpointWriter: Sendable {
    /// Element type of the expert weights.
    public enum WeightType: String, Hashable, Sendable, CaseIterable {
        /// FP8 E4M3 with one FP32 scale for each block of 128 x 128.
        case float8
        /// BF16 without scales.
        case bfloat16
    }

    /// The model that is written. The weights' quantisation and the layers with experts follow from the options below.
    public var configuration: ModelConfiguration
    /// Index of the layer, 0...10000.
    public var layer: Int
    /// Seed of all weights.
    public var seed: UInt64
    /// Number of tensor files, 1...1000 and at most one for each tensor.
    public var shards: Int
    /// Element type of the expert weights.
    public var weightType: WeightType
    /// Whether an existing checkpoint is replaced; anything else never is.
    public var overwrites: Bool

    /// A writer of one layer.
    public init(
        configuration: ModelConfiguration, layer: Int = 3, seed: UInt64 = 1, shards: Int = 4,
        weightType: WeightType = .float8, overwrites: Bool = false
    ) {
        self.configuration = configuration
        self.layer = layer
        self.seed = seed
        self.shards = shards
        self.weightType = weightType
        self.overwrites = overwrites
    }

    /// Writes the checkpoint to a directory, which is created together with those above it.
    ///
    /// Everything is written under a temporary name beside it and renamed at the end, so a checkpoint is there whole or
    /// not at all. Throws `configurationInvalid`, `dimensionNotMultiple` and `optionInvalid` before anything is
    /// written, `checkpointExists` and `notACheckpoint` where the place is taken, and `writeFailed`.
    public func write(to directory: String) throws(CheckpointError) {
        guard let family = ModelFamily.named(configuration.family) else {
            throw .familyUnknown(
                file: CheckpointDirectory.FileName.configuration, modelType: configuration.family,
                known: ModelFamily.names)
        }
        let (model, json) = try checkedModel(family)
        let layout = CheckpointLayout(model: model, family: family, layer: layer, weightType: weightType)
        guard shards >= 1, shards <= min(1000, layout.tensors.count) else {
            throw .optionInvalid(
                option: "The number of tensor files", value: shards,
                expected: "between 1 and \(min(1000, layout.tensors.count))")
        }
        let place = try CheckpointPlace(directory: directory, overwrites: overwrites)
        do throws(CheckpointError) {
            let names = try writeTensors(layout, in: place.temporary)
            try writeJSON(json, to: place.temporary + "/" + CheckpointDirectory.FileName.configuration)
            try writeJSON(
                index(layout, files: names), to: place.temporary + "/" + CheckpointDirectory.FileName.index)
            try place.commit()
        } catch {
            place.discard()
            throw error
        }
    }

    private func index(_ layout: CheckpointLayout, files: [String]) -> JSONObject {
        let map = zip(layout.tensors, files).map { ($0.name, JSONValue.string($1)) }
        return JSONObject(values: [
            "metadata": .object(JSONObject(values: ["total_size": .number("\(layout.bytes)")])),
            "weight_map": .object(JSONObject(values: Dictionary(uniqueKeysWithValues: map))),
        ])
    }

    /// The model with one layer, as a reader of its `config.json` sees it, and that file.
    private func checkedModel(
        _ family: ModelFamily
    ) throws(CheckpointError) -> (model: ModelConfiguration, json: JSONObject) {
        guard (0...10_000).contains(layer) else {
            throw .optionInvalid(option: "The layer", value: layer, expected: "between 0 and 10000")
        }
        var model = configuration
        model.layers = layer + 1
        // No other layer is written.
        model.expertLayers = [layer]
        model.predictionLayers = 0
        model.quantisation = weightType == .float8 ? .float8Blocks : .none
        let json = try family.encode(model)
        let read = try ModelConfiguration(
            ConfigurationReader(file: CheckpointDirectory.FileName.configuration, object: json))
        let step = LayerShape.channelStep
        guard read.hidden % step == 0, read.intermediate % step == 0, read.sharedIntermediate % step == 0 else {
            throw .dimensionNotMultiple(
                matrix: "of the experts", rows: read.hidden, columns: read.intermediate, multiple: step)
        }
        return (read, json)
    }

    /// Writes all tensor files; returns the name of the file for each tensor.
    private func writeTensors(_ layout: CheckpointLayout, in directory: String) throws(CheckpointError) -> [String] {
        let shardOfTensor = layout.divide(into: shards)
        let names = (1...shards).map {
            "model-\(CheckpointPlace.padded($0))-of-\(CheckpointPlace.padded(shards)).safetensors"
        }
        var files: [SafetensorsWriter] = []
        for shard in 0..<shards {
            let tensors = zip(layout.tensors, shardOfTensor).filter { $0.1 == shard }.map(\.0.tensor)
            files.append(try SafetensorsWriter(path: directory + "/" + names[shard], tensors: tensors))
        }
        let opened = files
        let failure = Mutex<CheckpointError?>(nil)
        let table = GaussianFloat8Table()
        DispatchQueue.concurrentPerform(iterations: layout.tensors.count) { index in
            guard failure.withLock({ $0 == nil }) else { return }
            let tensor = layout.tensors[index]
            do throws(CheckpointError) {
                let bytes = tensor.bytes(seed: seed, table: table)
                try bytes.withUnsafeBufferPointer { bytes throws(CheckpointError) in
                    try opened[shardOfTensor[index]].write(UnsafeRawBufferPointer(bytes), tensor: tensor.name)
                }
            } catch {
                failure.withLock { $0 = $0 ?? error }
            }
        }
        if let error = failure.withLock({ $0 }) {
            throw error
        }
        return shardOfTensor.map { names[$0] }
    }

    private func writeJSON(_ value: JSONObject, to path: String) throws(CheckpointError) {
        do {
            try Data((JSONValue.object(value).text() + "\n").utf8).write(to: URL(filePath: path))
        } catch {
            throw .writeFailed(path: path, reason: "\(error)")
        }
    }
}
