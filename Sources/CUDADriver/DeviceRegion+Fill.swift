extension DeviceRegion {
    /// Sets bytes to `byte`, and waits until it is done. Without `byteCount`: to the end.
    package func fill(byte: UInt8, at offset: Int = 0, byteCount count: Int? = nil) throws {
        let count = try resolve(offset, count)
        guard count > 0 else { return }
        let activity = "filling \(count) bytes"
        try context.call("cuMemsetD8_v2", activity) { $0.cuMemsetD8(address + UInt64(offset), byte, count) }
        try waitForLegacyStream(activity)
    }

    /// Sets bytes to `byte` when `stream` gets there. Without `byteCount`: to the end.
    package func fill(byte: UInt8, at offset: Int = 0, byteCount count: Int? = nil, on stream: Stream) throws {
        let count = try resolve(offset, count)
        guard count > 0 else { return }
        try context.call("cuMemsetD8Async", "filling \(count) bytes on a stream") {
            $0.cuMemsetD8Async(address + UInt64(offset), byte, count, stream.handle)
        }
    }

    /// Sets 32-bit words to `word`, and waits until it is done. `offset` and `byteCount` are in bytes and multiples of
    /// 4, else `DriverError.invalidArgument`. Without `byteCount`: to the end.
    package func fill(word: UInt32, at offset: Int = 0, byteCount count: Int? = nil) throws {
        let count = try resolveWords(offset, count)
        guard count > 0 else { return }
        let activity = "filling \(count) words"
        try context.call("cuMemsetD32_v2", activity) { $0.cuMemsetD32(address + UInt64(offset), word, count) }
        try waitForLegacyStream(activity)
    }

    /// Sets 32-bit words to `word` when `stream` gets there. `offset` and `byteCount` are in bytes and multiples of 4,
    /// else `DriverError.invalidArgument`. Without `byteCount`: to the end.
    package func fill(word: UInt32, at offset: Int = 0, byteCount count: Int? = nil, on stream: Stream) throws {
        let count = try resolveWords(offset, count)
        guard count > 0 else { return }
        try context.call("cuMemsetD32Async", "filling \(count) words on a stream") {
            $0.cuMemsetD32Async(address + UInt64(offset), word, count, stream.handle)
        }
    }

    private func resolve(_ offset: Int, _ count: Int?) throws -> Int {
        try checkBounds(offset, 0)
        let count = count ?? byteCount - offset
        try checkBounds(offset, count)
        return count
    }

    /// The number of words.
    private func resolveWords(_ offset: Int, _ count: Int?) throws -> Int {
        let count = try resolve(offset, count)
        guard (address + UInt64(offset)) % 4 == 0, count % 4 == 0 else {
            throw DriverError.invalidArgument(
                "A fill with 32-bit words needs an offset and a size that are multiples of 4 bytes, but they are "
                    + "\(offset) and \(count); use a fill with bytes.")
        }
        return count / 4
    }
}
