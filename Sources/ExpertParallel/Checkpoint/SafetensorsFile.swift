/// A safetensors file, mapped and with its header checked.
///
/// Format: eight bytes little-endian header length, a JSON header, then the tensors' bytes without gaps
/// (<https://huggingface.co/docs/safetensors>).
package struct SafetensorsFile: Sendable {
    /// A tensor: its type, its shape, and its bytes in the file.
    package struct Tensor: Hashable, Sendable {
        /// Full name.
        package let name: String
        /// Element type.
        package let type: ElementType
        /// Dimensions, outermost first.
        package let shape: [Int]
        /// Bytes in the file, counted from its start.
        package let range: Range<Int>
    }

    /// The longest header that the format allows, in bytes.
    package static let headerLimit = 100_000_000

    /// Path of the file.
    package let path: String
    /// All tensors by name.
    package let tensors: [String: Tensor]
    private let mapping: MappedFile

    /// Maps the file and checks its header; no tensor bytes are touched.
    ///
    /// Throws a `CheckpointError` for a file that cannot be read, and for any header that does not describe exactly the
    /// bytes of the file.
    package init(path: String) throws(CheckpointError) {
        let mapping = try MappedFile(path: path)
        let bytes = mapping.bytes
        guard bytes.count >= 8 else {
            throw .fileTooShort(file: path, bytes: bytes.count)
        }
        let length = UInt64(littleEndian: bytes.loadUnaligned(as: UInt64.self))
        guard length <= UInt64(Self.headerLimit) else {
            throw .headerTooLong(file: path, length: length, limit: Self.headerLimit)
        }
        let headerEnd = 8 + Int(length)
        guard headerEnd <= bytes.count else {
            throw .headerTruncated(file: path, length: Int(length), available: bytes.count - 8)
        }
        let header = UnsafeRawBufferPointer(rebasing: bytes[8..<headerEnd])
        let entries = try Self.entries(of: header, file: path)
        var tensors: [String: Tensor] = [:]
        tensors.reserveCapacity(entries.count)
        for (name, entry) in entries {
            tensors[name] = try Self.tensor(
                named: name, entry: entry, dataStart: headerEnd, fileSize: bytes.count, file: path)
        }
        try Self.checkCoverage(of: tensors.values, from: headerEnd, to: bytes.count, file: path)
        self.path = path
        self.tensors = tensors
        self.mapping = mapping
    }

    /// Calls `body` with the bytes of a tensor of this file. They may be unaligned.
    package func withBytes<Result>(of tensor: Tensor, _ body: (UnsafeRawBufferPointer) -> Result) -> Result {
        withExtendedLifetime(mapping) {
            body(UnsafeRawBufferPointer(rebasing: mapping.bytes[tensor.range]))
        }
    }

    // MARK: Header

    private static func entries(
        of header: UnsafeRawBufferPointer, file: String
    ) throws(CheckpointError) -> [String: SafetensorsHeader.Entry] {
        guard header.first == UInt8(ascii: "{") else {
            throw .headerMalformed(file: file, reason: "it does not begin with {")
        }
        do throws(JSONError) {
            return try SafetensorsHeader(JSONParser.parseObject(header)).entries
        } catch .repeatedKey(let tensor, []) {
            throw .tensorDuplicated(file: file, tensor: tensor, other: file)
        } catch {
            throw .headerMalformed(file: file, reason: error.reason)
        }
    }

    private static func tensor(
        named name: String, entry: SafetensorsHeader.Entry, dataStart: Int, fileSize: Int, file: String
    ) throws(CheckpointError) -> Tensor {
        guard let type = ElementType(rawValue: entry.type) else {
            throw .typeUnknown(file: file, tensor: name, type: entry.type)
        }
        guard entry.shape.allSatisfy({ $0 >= 0 }) else {
            throw .shapeInvalid(file: file, tensor: name, shape: entry.shape)
        }
        guard let size = type.byteCount(shape: entry.shape) else {
            throw .sizeOverflow(file: file, tensor: name, shape: entry.shape)
        }
        let offsets = entry.offsets
        guard offsets.count == 2, offsets[0] >= 0, offsets[0] <= offsets[1] else {
            throw .offsetsInvalid(file: file, tensor: name, offsets: offsets)
        }
        // From here on every sum stays below the size of the file.
        guard offsets[1] <= fileSize - dataStart else {
            throw .tensorOutsideFile(file: file, tensor: name, end: offsets[1], available: fileSize - dataStart)
        }
        guard offsets[1] - offsets[0] == size else {
            throw .sizeMismatch(file: file, tensor: name, expected: size, found: offsets[1] - offsets[0])
        }
        return Tensor(
            name: name, type: type, shape: entry.shape, range: dataStart + offsets[0]..<dataStart + offsets[1])
    }

    /// Every byte of the data belongs to exactly one tensor.
    private static func checkCoverage(
        of tensors: some Collection<Tensor>, from start: Int, to end: Int, file: String
    ) throws(CheckpointError) {
        let ordered = tensors.sorted {
            ($0.range.lowerBound, $0.range.upperBound, $0.name) < ($1.range.lowerBound, $1.range.upperBound, $1.name)
        }
        var position = start
        var previous = ""
        for tensor in ordered {
            if tensor.range.lowerBound < position {
                throw .tensorsOverlap(file: file, tensor: tensor.name, other: previous)
            }
            if tensor.range.lowerBound > position {
                throw .bytesUnowned(
                    file: file, tensor: tensor.name, offset: position - start,
                    bytes: tensor.range.lowerBound - position)
            }
            position = tensor.range.upperBound
            previous = tensor.name
        }
        if position < end {
            throw .bytesUnowned(file: file, tensor: nil, offset: position - start, bytes: end - position)
        }
    }
}
