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
    /// What `config.json` says.
    package let configuration: ModelConfiguration
    /// File name for each tensor; nil when there is no index, but one file with everything.
    package let shardOfTensor: [String: String]?
    /// Names of all tensor files, in order.
    package let shards: [String]

    /// Reads `config.json` and the index.
    package init(path: String) throws(CheckpointError) {
        self.path = path
        configuration = try ModelConfiguration(file: path + "/" + FileName.configuration)
        let indexPath = path + "/" + FileName.index
        if FileManager.default.fileExists(atPath: indexPath) {
            let map = try Self.readIndex(indexPath)
            shardOfTensor = map
            shards = Set(map.values).sorted()
        } else if FileManager.default.fileExists(atPath: path + "/" + FileName.single) {
            shardOfTensor = nil
            shards = [FileName.single]
        } else {
            throw .noTensorFiles(directory: path)
        }
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

    private struct Index: Decodable {
        var shardOfTensor: [String: String]

        enum CodingKeys: String, CodingKey {
            case shardOfTensor = "weight_map"
        }
    }

    private static func readIndex(_ path: String) throws(CheckpointError) -> [String: String] {
        let mapping = try MappedFile(path: path)
        let map: [String: String]
        do {
            map = try JSONDecoder().decode(Index.self, from: Data(mapping.bytes)).shardOfTensor
        } catch {
            throw .indexMalformed(file: path, reason: decodingReason(error))
        }
        if let key = firstRepeatedKey(inJSON: mapping.bytes) {
            throw .tensorDuplicated(file: path, tensor: key, other: path)
        }
        // A name with a slash could lead out of the directory.
        for name in Set(map.values).sorted() where name.isEmpty || name.contains("/") || name.contains("\0") {
            throw .shardNameInvalid(file: path, name: name)
        }
        return map
    }
}
