#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif
#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#elseif canImport(Darwin)
    import Darwin
#endif

/// A safetensors file that is being written: the header first, then the tensors in any order and from any thread.
package final class SafetensorsWriter: Sendable {
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

    /// Path of the file.
    package let path: String
    private let descriptor: Int32
    private let offsets: [String: Range<Int>]

    /// Creates the file, which must not exist, and writes its header; tensors lie in the order given.
    ///
    /// Throws `writeFailed`, and what a reader would say of such a header.
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
        let dataStart = 8 + header.count
        offsets = entries.mapValues { dataStart + $0.offsets[0]..<dataStart + $0.offsets[1] }
        self.path = path
        descriptor = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o644)
        guard descriptor >= 0 else {
            throw .writeFailed(path: path, reason: systemErrorText(errno))
        }
        let length = withUnsafeBytes(of: UInt64(header.count).littleEndian) { Array($0) }
        try (length + header).withUnsafeBufferPointer { bytes throws(CheckpointError) in
            try write(UnsafeRawBufferPointer(bytes), at: 0)
        }
        guard ftruncate(descriptor, off_t(dataStart + position)) == 0 else {
            throw .writeFailed(path: path, reason: systemErrorText(errno))
        }
    }

    deinit {
        if descriptor >= 0 {
            close(descriptor)
        }
    }

    /// Writes all bytes of a tensor. Throws `tensorMissing`, `sizeMismatch` and `writeFailed`.
    package func write(_ bytes: UnsafeRawBufferPointer, tensor: String) throws(CheckpointError) {
        guard let range = offsets[tensor] else {
            throw .tensorMissing(file: path, tensor: tensor)
        }
        guard range.count == bytes.count else {
            throw .sizeMismatch(file: path, tensor: tensor, expected: range.count, found: bytes.count)
        }
        try write(bytes, at: range.lowerBound)
    }

    private func write(_ bytes: UnsafeRawBufferPointer, at offset: Int) throws(CheckpointError) {
        var done = 0
        while done < bytes.count {
            let rest = UnsafeRawBufferPointer(rebasing: bytes[done...])
            let written = pwrite(descriptor, rest.baseAddress, rest.count, off_t(offset + done))
            if written > 0 {
                done += written
            } else if written < 0, errno == EINTR {
                continue
            } else {
                throw .writeFailed(path: path, reason: systemErrorText(written < 0 ? errno : ENOSPC))
            }
        }
    }
}
