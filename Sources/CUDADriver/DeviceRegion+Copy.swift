extension DeviceRegion {
    /// Copies host bytes to `offset`, and waits until they are there.
    package func copyIn(_ source: UnsafeRawBufferPointer, at offset: Int = 0) throws {
        try checkBounds(offset, source.count)
        guard let base = source.baseAddress, !source.isEmpty else { return }
        let activity = "copying \(source.count) bytes to the device"
        try context.call("cuMemcpyHtoD_v2", activity) {
            $0.cuMemcpyHtoD(address + UInt64(offset), base, source.count)
        }
        try waitForLegacyStream(activity)
    }

    /// Copies host bytes to `offset` when `stream` gets there. Pinned memory makes it truly asynchronous.
    package func copyIn(_ source: UnsafeRawBufferPointer, at offset: Int = 0, on stream: Stream) throws {
        try checkBounds(offset, source.count)
        guard let base = source.baseAddress, !source.isEmpty else { return }
        try context.call("cuMemcpyHtoDAsync_v2", "copying \(source.count) bytes to the device on a stream") {
            $0.cuMemcpyHtoDAsync(address + UInt64(offset), base, source.count, stream.handle)
        }
    }

    /// Copies bytes from `offset` to host memory, and waits until they are there. The host buffer's size is the number
    /// of bytes.
    package func copyOut(_ destination: UnsafeMutableRawBufferPointer, at offset: Int = 0) throws {
        try checkBounds(offset, destination.count)
        guard let base = destination.baseAddress, !destination.isEmpty else { return }
        try context.call("cuMemcpyDtoH_v2", "copying \(destination.count) bytes from the device") {
            $0.cuMemcpyDtoH(base, address + UInt64(offset), destination.count)
        }
    }

    /// Copies bytes from `offset` to host memory when `stream` gets there. Pinned memory makes it truly asynchronous.
    package func copyOut(_ destination: UnsafeMutableRawBufferPointer, at offset: Int = 0, on stream: Stream) throws {
        try checkBounds(offset, destination.count)
        guard let base = destination.baseAddress, !destination.isEmpty else { return }
        try context.call("cuMemcpyDtoHAsync_v2", "copying \(destination.count) bytes from the device on a stream") {
            $0.cuMemcpyDtoHAsync(base, address + UInt64(offset), destination.count, stream.handle)
        }
    }

    /// Copies the elements to the byte offset `offset`, and waits until they are there.
    package func copyIn<Element: BitwiseCopyable>(_ elements: [Element], at offset: Int = 0) throws {
        try elements.withUnsafeBytes { try copyIn($0, at: offset) }
    }

    /// Reads `count` elements from the byte offset `offset`.
    package func copyOut<Element: BitwiseCopyable>(
        _ type: Element.Type, count: Int, at offset: Int = 0
    ) throws -> [Element] {
        // Before the array is made, so that an absurd count is an error and not an absurd allocation.
        try checkBounds(offset, try bytes(of: type, count: count))
        return try [Element](unsafeUninitializedCapacity: count) { buffer, initialized in
            let elements = UnsafeMutableBufferPointer(rebasing: buffer[0..<count])
            try copyOut(UnsafeMutableRawBufferPointer(elements), at: offset)
            initialized = count
        }
    }

    /// Copies `byteCount` bytes from `source` at `sourceOffset` to `offset` when `stream` gets there. The two
    /// stretches must not overlap.
    package func copy(
        from source: any DeviceRegion, sourceOffset: Int = 0, at offset: Int = 0, byteCount count: Int,
        on stream: Stream
    ) throws {
        try source.checkBounds(sourceOffset, count)
        try checkBounds(offset, count)
        guard count > 0 else { return }
        try context.call("cuMemcpyDtoDAsync_v2", "copying \(count) bytes inside the device") {
            $0.cuMemcpyDtoDAsync(
                address + UInt64(offset), source.address + UInt64(sourceOffset), count, stream.handle)
        }
    }

    /// The driver's plain copies and fills run on the legacy stream and may return before the last byte is in place,
    /// and this module's streams do not wait for that stream.
    func waitForLegacyStream(_ activity: String) throws {
        try context.call("cuStreamSynchronize", activity) { $0.cuStreamSynchronize(nil) }
    }
}
