/// Errors in reading or writing a checkpoint directory.
public enum CheckpointError: Error, Equatable, Sendable {
    // Files
    /// The file cannot be opened or mapped; `reason` is the system's text.
    case fileUnreadable(file: String, reason: String)
    /// The file is what Git LFS leaves in the place of a file that has not been fetched.
    case fileIsPointer(file: String)
    /// The directory holds neither an index nor a single `model.safetensors`.
    case noTensorFiles(directory: String)
    /// The directory holds tensor files, but not the index that says which tensor is in which.
    case indexMissing(directory: String, shard: String)
    /// The file is too short for the eight bytes of its header length.
    case fileTooShort(file: String, bytes: Int)
    /// The header claims to be longer than the format allows.
    case headerTooLong(file: String, length: UInt64, limit: Int)
    /// The file ends inside its header.
    case headerTruncated(file: String, length: Int, available: Int)
    /// The header is no JSON object of tensors.
    case headerMalformed(file: String, reason: String)

    // Tensors as the header describes them
    /// The element type is not one of the format's.
    case typeUnknown(file: String, tensor: String, type: String)
    /// A dimension is negative.
    case shapeInvalid(file: String, tensor: String, shape: [Int])
    /// The number of bytes of this shape does not fit in 63 bits.
    case sizeOverflow(file: String, tensor: String, shape: [Int])
    /// The offsets are not two numbers in ascending order from 0.
    case offsetsInvalid(file: String, tensor: String, offsets: [Int])
    /// The tensor ends after the end of the file, which may have been truncated.
    case tensorOutsideFile(file: String, tensor: String, end: Int, available: Int)
    /// Shape and element type ask for a different number of bytes than the offsets give.
    case sizeMismatch(file: String, tensor: String, expected: Int, found: Int)
    /// Two tensors share bytes.
    case tensorsOverlap(file: String, tensor: String, other: String)
    /// Bytes that no tensor owns, in front of `tensor` or (nil) at the end of the file.
    case bytesUnowned(file: String, tensor: String?, offset: Int, bytes: Int)
    /// The same name occurs twice, in one file or in two.
    case tensorDuplicated(file: String, tensor: String, other: String)

    // Tensors as the model needs them
    /// No file has this tensor, or the file the index names does not.
    case tensorMissing(file: String, tensor: String)
    /// The tensor has another element type than those that can be read here.
    case typeMismatch(file: String, tensor: String, expected: [String], found: String)
    /// The tensor has another shape than the configuration asks for.
    case shapeMismatch(file: String, tensor: String, expected: [Int], found: [Int])
    /// The element at this flat index is NaN or infinite.
    case valueNotFinite(file: String, tensor: String, index: Int)
    /// Rows or columns of a matrix are not multiples of the quantisation block.
    case dimensionNotMultiple(matrix: String, rows: Int, columns: Int, multiple: Int)
    /// A matrix was given a number of values or scales that does not fit its shape.
    case countMismatch(matrix: String, what: String, expected: Int, found: Int)

    // Configuration and index
    /// `config.json` is no JSON object, or lacks a key.
    case configurationMalformed(file: String, reason: String)
    /// A value of the configuration is out of its range.
    case configurationInvalid(file: String, key: String, value: String, expected: String)
    /// `model.safetensors.index.json` cannot be understood.
    case indexMalformed(file: String, reason: String)
    /// The index names a file that is not a plain name inside the directory.
    case shardNameInvalid(file: String, name: String)
    /// No family has this `model_type`.
    case familyUnknown(file: String, modelType: String, known: [String])
    /// The family is known, and its layers cannot be run here.
    case familyRefused(file: String, modelType: String, reason: String)
    /// Keys that change what experts compute, and that the family, or the quantisation method, does not define.
    case configurationUnread(file: String, keys: [String], family: String)
    /// Tensors that belong to the experts of a layer and were not used: the first, and their number.
    case tensorsUnread(directory: String, layer: Int, first: String, count: Int)
    /// The weights are quantised, and `config.json` does not say so.
    case quantisationUndeclared(file: String, tensor: String, format: String)
    /// FP8 in blocks of 128 x 128 does not hold the weights of this block exactly.
    case conversionInexact(file: String, tensor: String, format: String, row: Int, column: Int)
    /// The layer has requirements that the kernels do not meet.
    case layerUnsupported(directory: String, layer: Int, requirements: [LayerRequirement])
    /// The model has no such layer, or it is a dense one; the ranges of those that have experts.
    case layerWithoutExperts(layer: Int, with: [ClosedRange<Int>])
    /// The layer has no such expert.
    case expertOutOfRange(expert: Int, experts: Int)

    // Writing
    /// There is a checkpoint in the place already, and overwriting was not asked for.
    case checkpointExists(path: String)
    /// There is something that is no checkpoint in the place; it is left alone.
    case notACheckpoint(path: String, entry: String)
    /// The system refused to write; `reason` is its text.
    case writeFailed(path: String, reason: String)
    /// An option of the writer is out of its range.
    case optionInvalid(option: String, value: Int, expected: String)
}

extension CheckpointError: CustomStringConvertible {
    /// One sentence with the file, the tensor, the value and the remedy. Control characters of names are spelled out.
    public var description: String { sentence.escapingControls }

    private var sentence: String {
        switch self {
        case .fileUnreadable(let file, let reason):
            "\(file) cannot be read: \(reason)."
        case .fileIsPointer(let file):
            "\(file) is a Git LFS pointer and not the file itself; fetch it with git lfs pull."
        case .indexMissing(let directory, let shard):
            "\(directory) has tensor files (\(shard)) and no model.safetensors.index.json, which says what they hold; "
                + "fetch it as well."
        case .noTensorFiles(let directory):
            "\(directory) has neither model.safetensors.index.json nor model.safetensors; name a checkpoint directory."
        case .fileTooShort(let file, let bytes):
            "\(file) has \(bytes) bytes and a safetensors file has at least 8; fetch it again."
        case .headerTooLong(let file, let length, let limit):
            "\(file): a header of \(length) bytes is above the limit of \(limit); this is no safetensors file."
        case .headerTruncated(let file, let length, let available):
            "\(file): the header has \(length) bytes and the file only \(available) after the length; fetch it again."
        case .headerMalformed(let file, let reason):
            "\(file): the header is not what safetensors asks for: \(reason)."
        case .typeUnknown(let file, let tensor, let type):
            "\(file): tensor \(tensor) has the unknown element type \(type)."
        case .shapeInvalid(let file, let tensor, let shape):
            "\(file): tensor \(tensor) has the shape \(shape), and dimensions are not negative."
        case .sizeOverflow(let file, let tensor, let shape):
            "\(file): tensor \(tensor) of shape \(shape) has more bytes than 63 bits can count."
        case .offsetsInvalid(let file, let tensor, let offsets):
            "\(file): tensor \(tensor) has the offsets \(offsets), which are not a begin and an end from 0."
        case .tensorOutsideFile(let file, let tensor, let end, let available):
            "\(file): tensor \(tensor) ends at byte \(end) of \(available) that the file has; fetch it again."
        case .sizeMismatch(let file, let tensor, let expected, let found):
            "\(file): tensor \(tensor) needs \(expected) bytes for its shape and its offsets give \(found)."
        case .tensorsOverlap(let file, let tensor, let other):
            "\(file): tensor \(tensor) begins inside of tensor \(other)."
        case .bytesUnowned(let file, let tensor, let offset, let bytes):
            "\(file): \(bytes) bytes at \(offset), "
                + (tensor.map { "before tensor \($0)," } ?? "at the end,") + " belong to no tensor."
        case .tensorDuplicated(let file, let tensor, let other):
            other == file
                ? "\(file) names the tensor \(tensor) more than once; a name must be unique, so write the file again."
                : "\(file) holds the tensor \(tensor), and so does \(other); remove it from one of them and from the index."
        case .tensorMissing(let file, let tensor):
            "\(file) has no tensor \(tensor), which the model needs."
        case .typeMismatch(let file, let tensor, let expected, let found):
            "\(file): tensor \(tensor) has the element type \(found) and must have "
                + expected.joined(separator: " or ") + "."
        case .shapeMismatch(let file, let tensor, let expected, let found):
            "\(file): tensor \(tensor) has the shape \(found) and config.json asks for \(expected)."
        case .valueNotFinite(let file, let tensor, let index):
            "\(file): element \(index) of tensor \(tensor) is not a finite number."
        case .dimensionNotMultiple(let matrix, let rows, let columns, let multiple):
            "Matrix \(matrix) is \(rows) x \(columns), and both must be positive multiples of \(multiple)."
        case .countMismatch(let matrix, let what, let expected, let found):
            "Matrix \(matrix) needs \(expected) \(what) and got \(found)."
        case .configurationMalformed(let file, let reason):
            "\(file) is not the configuration of a mixture-of-experts model: \(reason)."
        case .configurationInvalid(let file, let key, let value, let expected):
            "\(file): \(key) is \(value) and must be \(expected)."
        case .indexMalformed(let file, let reason):
            "\(file) is not an index of safetensors files: \(reason)."
        case .shardNameInvalid(let file, let name):
            "\(file) names the file \"\(name)\", which is not a plain file name in the same directory."
        case .familyUnknown(let file, let modelType, let known):
            "\(file): the model_type \"\(modelType)\" is not one whose layers are known; those are "
                + known.joined(separator: ", ") + "."
        case .familyRefused(let file, let modelType, let reason):
            "\(file): layers of \(modelType) cannot be run: \(reason)."
        case .configurationUnread(let file, let keys, let family):
            "\(file): \(keys.joined(separator: ", ")) may change what experts compute, and \(family) does not define "
                + "\(keys.count == 1 ? "it" : "them"); the model is not what its type says."
        case .tensorsUnread(let directory, let layer, let first, let count):
            "\(directory): \(count) tensor\(count == 1 ? "" : "s") of the experts of layer \(layer) \(count == 1 ? "is" : "are") "
                + "used by nothing (\(first)); the model is not what its type says."
        case .quantisationUndeclared(let file, let tensor, let format):
            "\(file): tensor \(tensor) holds \(format), and config.json has no quantization_config that says so."
        case .conversionInexact(let file, let tensor, let format, let row, let column):
            "\(file): \(format) of tensor \(tensor) cannot be kept exactly in FP8 with one scale for 128 x 128 (block at row "
                + "\(row), column \(column)); use a checkpoint in FP8 or BF16."
        case .layerUnsupported(let directory, let layer, let requirements):
            "\(directory): layer \(layer) needs "
                + requirements.map(\.description).joined(separator: ", and ") + "; it is not run without."
        case .layerWithoutExperts(let layer, let ranges):
            "Layer \(layer) has no experts; "
                + (ranges.isEmpty
                    ? "no layer of this model has."
                    : "layers "
                        + ranges.map { $0.count == 1 ? "\($0.lowerBound)" : "\($0.lowerBound) to \($0.upperBound)" }
                        .joined(separator: ", ") + " of this model have.")
        case .expertOutOfRange(let expert, let experts):
            "There is no expert \(expert); the layer has the experts 0 to \(experts - 1)."
        case .checkpointExists(let path):
            "\(path) holds a checkpoint already; ask to overwrite it or choose another place."
        case .notACheckpoint(let path, let entry):
            "\(path) is not a checkpoint written by this tool (there is \(entry)); choose an empty or new directory."
        case .writeFailed(let path, let reason):
            "\(path) cannot be written: \(reason)."
        case .optionInvalid(let option, let value, let expected):
            "\(option) is \(value) and must be \(expected)."
        }
    }
}
