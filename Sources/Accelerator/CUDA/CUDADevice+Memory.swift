import CUDADriver

extension CUDADevice {
    /// See ``Device/allocate(bytes:label:)``.
    public func allocate(bytes: Int, label: String) throws -> DeviceBuffer {
        guard bytes > 0 else { throw DeviceError.allocation(label: label, bytes: bytes) }
        try refuseDuringCapture(to: "allocate the buffer \(label)")
        let memory = try driverCall { try DeviceMemory(byteCount: bytes, context: context) }
        tables.withLock { $0.allocations.insert(memory, at: memory.address, bytes: bytes) }
        let address = memory.address
        return DeviceBuffer(address: address, bytes: bytes, label: label) { [self] in release(address) }
    }

    /// See ``Device/write(_:to:offset:)``.
    public func write(_ source: UnsafeRawBufferPointer, to buffer: DeviceBuffer, offset: Int) throws {
        try refuseDuringCapture(to: "write to the buffer \(buffer.label)")
        let (memory, start) = try locate(buffer, offset: offset, bytes: source.count)
        try driverCall { try memory.copyIn(source, at: start) }
    }

    /// See ``Device/read(_:offset:into:)``.
    public func read(_ buffer: DeviceBuffer, offset: Int, into destination: UnsafeMutableRawBufferPointer) throws {
        try refuseDuringCapture(to: "read the buffer \(buffer.label)")
        let (memory, start) = try locate(buffer, offset: offset, bytes: destination.count)
        try driverCall { try memory.copyOut(destination, at: start) }
    }

    /// See ``Device/fill(_:with:on:)``.
    public func fill(_ buffer: DeviceBuffer, with value: UInt8, on stream: DeviceStream) throws {
        let (memory, start) = try locate(buffer, offset: 0, bytes: buffer.bytes)
        let stream = try find(stream)
        try driverCall { try memory.fill(byte: value, at: start, byteCount: buffer.bytes, on: stream) }
    }

    /// See ``Device/copy(from:offset:to:offset:bytes:on:)``.
    public func copy(
        from source: DeviceBuffer, offset sourceOffset: Int, to destination: DeviceBuffer,
        offset destinationOffset: Int, bytes: Int, on stream: DeviceStream
    ) throws {
        let (from, fromStart) = try locate(source, offset: sourceOffset, bytes: bytes)
        let (to, toStart) = try locate(destination, offset: destinationOffset, bytes: bytes)
        let stream = try find(stream)
        try driverCall {
            try to.copy(from: from, sourceOffset: fromStart, at: toStart, byteCount: bytes, on: stream)
        }
    }

    /// The memory behind `bytes` bytes at `offset` of a buffer, and where they start in it. Throws
    /// `DeviceError.bufferRange` or `.foreignBuffer`.
    private func locate(_ buffer: DeviceBuffer, offset: Int, bytes: Int) throws -> (DeviceMemory, Int) {
        _ = try buffer.address(of: bytes, at: offset)
        let (memory, start) = try tables.withLock { try $0.allocations.find(buffer) }
        return (memory, start + offset)
    }

    /// Frees memory: at once, or after the captures under way, which freeing would break.
    private func release(_ address: UInt64) {
        let memory: DeviceMemory? = tables.withLock { tables in
            let memory = tables.allocations.remove(address)
            guard let memory, !tables.captures.isEmpty else { return memory }
            tables.released.append(memory)
            return nil
        }
        // Freeing waits for the GPU, so it happens here, outside of the lock.
        _ = memory
    }
}
