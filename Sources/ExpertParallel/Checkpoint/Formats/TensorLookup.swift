import Synchronization

/// Finds tensors by name in the files that hold those of one layer, and notes which have been found.
final class TensorLookup: Sendable {
    private let directory: CheckpointDirectory
    private let files: [String: SafetensorsFile]
    private let found = Mutex<Set<String>>([])

    /// Looks into files of the directory that have been opened.
    init(_ directory: CheckpointDirectory, files: [String: SafetensorsFile]) {
        self.directory = directory
        self.files = files
    }

    /// Opens the files that hold tensors under any of the prefixes.
    static func files(
        of directory: CheckpointDirectory, prefixes: [String]
    ) throws(CheckpointError) -> [String: SafetensorsFile] {
        guard let map = directory.shardOfTensor else { return try directory.open(shards: directory.shards) }
        let wanted = map.filter { entry in prefixes.contains { entry.key.hasPrefix($0) } }
        return try directory.open(shards: Set(wanted.values))
    }

    /// The word in place of `weight` in the names of scales; nil for the usual names.
    var scale: String? { directory.family.tensors.scale }

    /// Whether there is a tensor of this name.
    func has(_ name: String) -> Bool { shard(of: name).flatMap { files[$0]?.tensors[name] } != nil }

    /// The tensor of a name. Throws `tensorMissing`.
    func tensor(_ name: String) throws(CheckpointError) -> TensorSource {
        guard let shard = shard(of: name) else {
            throw .tensorMissing(file: directory.path(of: CheckpointDirectory.FileName.index), tensor: name)
        }
        guard let file = files[shard], let tensor = file.tensors[name] else {
            throw .tensorMissing(file: directory.path(of: shard), tensor: name)
        }
        found.withLock { _ = $0.insert(name) }
        return TensorSource(file: file, tensor: tensor)
    }

    /// Tensors under any of the prefixes that have not been read, sorted.
    func unread(under prefixes: [String]) -> [String] {
        let names = directory.shardOfTensor.map { Array($0.keys) } ?? files.values.flatMap { Array($0.tensors.keys) }
        let read = found.withLock { $0 }
        return names.filter { name in !read.contains(name) && prefixes.contains { name.hasPrefix($0) } }.sorted()
    }

    private func shard(of name: String) -> String? {
        directory.shardOfTensor.map { $0[name] } ?? CheckpointDirectory.FileName.single
    }
}
