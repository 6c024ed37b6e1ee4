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
    package typealias Tensor = SafetensorsLayout.Tensor

    /// Path of the file.
    package let path: String
    private let descriptor: Int32
    private let offsets: [String: Range<Int>]

    /// Creates the file, which must not exist, and writes its header; tensors lie in the order given.
    ///
    /// Throws `writeFailed`, and the errors of a reader of such a header.
    package init(path: String, tensors: [Tensor]) throws(CheckpointError) {
        let layout = try SafetensorsLayout(path: path, tensors: tensors)
        offsets = layout.offsets
        self.path = path
        descriptor = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o644)
        guard descriptor >= 0 else {
            throw .writeFailed(path: path, reason: systemErrorText(errno))
        }
        try layout.head.withUnsafeBufferPointer { bytes throws(CheckpointError) in
            try write(UnsafeRawBufferPointer(bytes), at: 0)
        }
        guard ftruncate(descriptor, off_t(layout.byteCount)) == 0 else {
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
