#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

/// A checkpoint directory: its configuration and which file holds which tensor. Opens no tensor file by itself.
package struct CheckpointDirectory: Sendable {
    /// File names inside a checkpoint directory.
    package enum FileName {
        package static let configuration = "config.json"
        package static let index = "model.safetensors.index.json"
        package static let single = "model.safetensors"
    }

    /// Path of the directory.
    package let path: String
    /// The model's configuration, from `config.json`.
    package let configuration: ModelConfiguration
    /// The family that the configuration names.
    let family: ModelFamily
    /// File name for each tensor; nil when there is no index, but one file with everything.
    package let shardOfTensor: [String: String]?
    /// Names of all tensor files, in order.
    package let shards: [String]

    /// Reads `config.json` and the index.
    package init(path: String) throws(CheckpointError) {
        self.path = path
        let file = path + "/" + FileName.configuration
        configuration = try ModelConfiguration(file: file)
        guard let family = ModelFamily.named(configuration.family) else {
            throw .familyUnknown(file: file, modelType: configuration.modelType, known: ModelFamily.names)
        }
        self.family = family
        if let index = try MappedFile.ifPresent(path: path + "/" + FileName.index) {
            let map = try Self.readIndex(index)
            shardOfTensor = map
            shards = Set(map.values).sorted()
        } else {
            shardOfTensor = nil
            shards = [FileName.single]
            // Opening the file will tell whether it can be read; only a missing one is an error here.
            guard FileManager.default.fileExists(atPath: path + "/" + FileName.single) else {
                let entries = (try? FileManager.default.contentsOfDirectory(atPath: path)) ?? []
                let shard = entries.filter { $0.hasSuffix(".safetensors") }.min()
                throw shard.map { .indexMissing(directory: path, shard: $0) } ?? .noTensorFiles(directory: path)
            }
        }
    }

    /// Prefixes of the names of all tensors of a layer's experts.
    func prefixes(ofLayer layer: Int) -> [String] {
        family.tensors.parts.map { "\(family.layerPrefix)\(layer).\($0)" }
    }

    /// Path of a file in this directory.
    package func path(of file: String) -> String { path + "/" + file }

    /// Opens some of the tensor files, and checks that the index agrees with what they hold.
    ///
    /// Throws `tensorDuplicated` for a tensor that one file holds and the index expects in another file, and
    /// `tensorMissing` for a tensor that the index expects in a file that does not have it.
    package func open(shards names: some Collection<String>) throws(CheckpointError) -> [String: SafetensorsFile] {
        var files: [String: SafetensorsFile] = [:]
        for name in names.sorted() where files[name] == nil {
            let file = try SafetensorsFile(path: path(of: name))
            for tensor in file.tensors.keys.sorted() {
                if let owner = shardOfTensor?[tensor], owner != name {
                    throw .tensorDuplicated(file: file.path, tensor: tensor, other: path(of: owner))
                }
            }
            files[name] = file
        }
        for (tensor, name) in shardOfTensor ?? [:] {
            if let file = files[name], file.tensors[tensor] == nil {
                throw .tensorMissing(file: file.path, tensor: tensor)
            }
        }
        return files
    }

    private static func readIndex(_ index: MappedFile) throws(CheckpointError) -> [String: String] {
        let path = index.path
        let map: [String: JSONValue]
        do throws(JSONError) {
            guard case .object(let object) = try JSONParser.parseObject(index.bytes)[weightMap] else {
                throw .malformed("there is no object \(weightMap)")
            }
            map = object.values
        } catch .repeatedKey(let tensor, [weightMap]) {
            throw .tensorDuplicated(file: path, tensor: tensor, other: path)
        } catch {
            throw .indexMalformed(file: path, reason: error.reason)
        }
        guard !map.isEmpty else { throw .indexMalformed(file: path, reason: "\(weightMap) names no tensor") }
        var shards: [String: String] = [:]
        for (tensor, shard) in map {
            guard case .string(let name) = shard else {
                throw .indexMalformed(
                    file: path, reason: "\(weightMap) gives \(tensor) the file \(shard.quoted), which is no string")
            }
            shards[tensor] = name
        }
        // A name with a slash could lead out of the directory.
        for name in Set(shards.values).sorted()
        where name.isEmpty || name == "." || name == ".." || name.contains("/") || name.contains("\0") {
            throw .shardNameInvalid(file: path, name: name)
        }
        return shards
    }

    private static let weightMap = "weight_map"
}
