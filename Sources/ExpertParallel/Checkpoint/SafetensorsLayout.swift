#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

/// The places of tensors in a safetensors file, and the bytes before them.
package struct SafetensorsLayout: Sendable {
    /// A tensor of the file.
    package struct Tensor: Hashable, Sendable {
        package let name: String
        package let type: ElementType
        package let shape: [Int]

        package init(name: String, type: ElementType, shape: [Int]) {
            self.name = name
            self.type = type
            self.shape = shape
        }
    }

    /// The bytes before the first tensor: the header and its length.
    package let head: [UInt8]
    /// Range of each tensor's bytes in the file.
    package let offsets: [String: Range<Int>]
    /// Bytes of the whole file.
    package let byteCount: Int

    /// Tensors lie in the order given.
    ///
    /// Throws `writeFailed`, and the errors of a reader of such a header, for the file at `path`.
    package init(path: String, tensors: [Tensor]) throws(CheckpointError) {
        var position = 0
        var entries: [String: SafetensorsHeader.Entry] = [:]
        for tensor in tensors {
            guard let size = tensor.type.byteCount(shape: tensor.shape), size <= Int.max / 2 - position else {
                throw .sizeOverflow(file: path, tensor: tensor.name, shape: tensor.shape)
            }
            let entry = SafetensorsHeader.Entry(
                type: tensor.type.rawValue, shape: tensor.shape, offsets: [position, position + size])
            guard entries.updateValue(entry, forKey: tensor.name) == nil else {
                throw .tensorDuplicated(file: path, tensor: tensor.name, other: path)
            }
            position += size
        }
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        var header: [UInt8]
        do {
            header = Array(try encoder.encode(SafetensorsHeader(entries: entries, metadata: ["format": "pt"])))
        } catch {
            throw .writeFailed(path: path, reason: "its header cannot be encoded: \(error)")
        }
        // Readers that cast the bytes in place want the data aligned.
        while header.count % 8 != 0 {
            header.append(UInt8(ascii: " "))
        }
        let length = withUnsafeBytes(of: UInt64(header.count).littleEndian) { Array($0) }
        head = length + header
        let dataStart = head.count
        offsets = entries.mapValues { dataStart + $0.offsets[0]..<dataStart + $0.offsets[1] }
        byteCount = dataStart + position
    }
}
