import Simulator

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#elseif canImport(Darwin)
    import Darwin
#endif

extension SimulatedDevice {
    /// See ``Device/allocate(bytes:label:)``.
    public func allocate(bytes: Int, label: String) throws -> DeviceBuffer {
        guard bytes > 0 else { throw DeviceError.allocation(label: label, bytes: bytes) }
        try requireRoom(bytes, label)
        let address = try exclusively {
            try refuseDuringCapture(to: "allocate the buffer \(label)")
            return try machine.allocate(bytes: bytes, label: label)
        }
        return buffer(.own(address), address, bytes, label)
    }

    /// Refuses to allocate more memory than the host has.
    func requireRoom(_ bytes: Int, _ label: String) throws(DeviceError) {
        guard properties.memoryBytes == 0 || bytes <= properties.memoryBytes else {
            throw .systemCall(
                "malloc", code: ENOMEM,
                activity: "allocating \(bytes) bytes for \(label) of \(properties.memoryBytes) that there are")
        }
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
            let address = try buffer.locate(source.count, at: offset, on: self)
            try machine.write(source, at: address)
        }
    }

    /// See ``Device/read(_:offset:into:)``.
    public func read(_ buffer: DeviceBuffer, offset: Int, into destination: UnsafeMutableRawBufferPointer) throws {
        try exclusively {
            try refuseDuringCapture(to: "read the buffer \(buffer.label)")
            let address = try buffer.locate(destination.count, at: offset, on: self)
            try machine.read(into: destination, from: address)
        }
    }

    /// See ``Device/fill(_:with:on:)``.
    public func fill(_ buffer: DeviceBuffer, with value: UInt8, on stream: DeviceStream) throws {
        let address = try buffer.locate(buffer.bytes, at: 0, on: self)
        let own = try own(stream)
        try exclusively { try enqueue(.fill(address: address, bytes: buffer.bytes, value: value), on: own) }
    }

    /// See ``Device/makeHostMemory(bytes:)``.
    public func makeHostMemory(bytes: Int) throws -> HostMemory {
        try HostMemory.check(bytes)
        return HostMemory(bytes: bytes, .simulated(SimulatedHostMemory(bytes: bytes), self))
    }

    /// See ``Device/copy(from:offset:to:on:)``.
    public func copy(from buffer: DeviceBuffer, offset: Int, to memory: HostMemory, on stream: DeviceStream) throws {
        guard let target = memory.backing.on(self) else { throw DeviceError.foreignHostMemory(bytes: memory.bytes) }
        let from = try buffer.locate(memory.bytes, at: offset, on: self)
        let own = try own(stream)
        try exclusively { try enqueue(.copyOut(from: from, to: target), on: own) }
    }

    /// See ``Device/copy(from:offset:to:offset:bytes:on:)``.
    public func copy(
        from source: DeviceBuffer, offset sourceOffset: Int, to destination: DeviceBuffer,
        offset destinationOffset: Int, bytes: Int, on stream: DeviceStream
    ) throws {
        let from = try source.locate(bytes, at: sourceOffset, on: self)
        let to = try destination.locate(bytes, at: destinationOffset, on: self)
        let own = try own(stream)
        try exclusively { try enqueue(.copy(from: from, to: to, bytes: bytes), on: own) }
    }
}
