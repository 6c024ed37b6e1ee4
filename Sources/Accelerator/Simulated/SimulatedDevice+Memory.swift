import Simulator

extension SimulatedDevice {
    /// See ``Device/allocate(bytes:label:)``.
    public func allocate(bytes: Int, label: String) throws -> DeviceBuffer {
        guard bytes > 0 else { throw DeviceError.allocation(label: label, bytes: bytes) }
        let address = try exclusively {
            try refuseDuringCapture(to: "allocate the buffer \(label)")
            let address = try machine.allocate(bytes: bytes, label: label)
            allocations.insert(address, at: address, bytes: bytes)
            return address
        }
        return DeviceBuffer(address: address, bytes: bytes, label: label) { [self] in release(address) }
    }

    /// See ``Device/keepInL2(bytes:)``. The machine has no caches.
    public func keepInL2(bytes: Int) throws -> L2Share {
        guard bytes >= 0 else { throw DeviceError.keptBytes(bytes) }
        return L2Share(setAsideBytes: 0) {}
    }

    /// See ``Device/write(_:to:offset:)``.
    public func write(_ source: UnsafeRawBufferPointer, to buffer: DeviceBuffer, offset: Int) throws {
        try exclusively {
            try refuseDuringCapture(to: "write to the buffer \(buffer.label)")
            let address = try locate(buffer, offset: offset, bytes: source.count)
            try machine.write(source, at: address)
        }
    }

    /// See ``Device/read(_:offset:into:)``.
    public func read(_ buffer: DeviceBuffer, offset: Int, into destination: UnsafeMutableRawBufferPointer) throws {
        try exclusively {
            try refuseDuringCapture(to: "read the buffer \(buffer.label)")
            let address = try locate(buffer, offset: offset, bytes: destination.count)
            try machine.read(into: destination, from: address)
        }
    }

    /// See ``Device/fill(_:with:on:)``.
    public func fill(_ buffer: DeviceBuffer, with value: UInt8, on stream: DeviceStream) throws {
        try exclusively {
            let address = try locate(buffer, offset: 0, bytes: buffer.bytes)
            try enqueue(.fill(address: address, bytes: buffer.bytes, value: value), on: stream)
        }
    }

    /// See ``Device/copy(from:offset:to:offset:bytes:on:)``.
    public func copy(
        from source: DeviceBuffer, offset sourceOffset: Int, to destination: DeviceBuffer,
        offset destinationOffset: Int, bytes: Int, on stream: DeviceStream
    ) throws {
        try exclusively {
            let from = try locate(source, offset: sourceOffset, bytes: bytes)
            let to = try locate(destination, offset: destinationOffset, bytes: bytes)
            try enqueue(.copy(from: from, to: to, bytes: bytes), on: stream)
        }
    }

    /// The address of `bytes` bytes at `offset` of a buffer. Throws `DeviceError.bufferRange` or `.foreignBuffer`.
    private func locate(_ buffer: DeviceBuffer, offset: Int, bytes: Int) throws -> UInt64 {
        let address = try buffer.address(of: bytes, at: offset)
        _ = try allocations.find(buffer)
        return address
    }

    private func release(_ address: UInt64) {
        // An address that this device gave, so freeing cannot fail; and nobody could receive the error.
        try? exclusively {
            _ = allocations.remove(address)
            released.append(address)
            try freeReleased()
        }
    }

    /// Frees what was released, once no stream can use it any more. Call under the lock.
    func freeReleased() throws {
        guard busyStreams.isEmpty else { return }
        defer { released = [] }
        for address in released { try machine.free(address) }
    }
}
