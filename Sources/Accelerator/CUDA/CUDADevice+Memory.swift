import CUDADriver

extension CUDADevice {
    /// See ``Device/allocate(bytes:label:)``.
    public func allocate(bytes: Int, label: String) throws -> DeviceBuffer {
        guard bytes > 0 else { throw DeviceError.allocation(label: label, bytes: bytes) }
        try refuseDuringCapture(to: "allocate the buffer \(label)")
        return buffer(try driverCall { try DeviceMemory(byteCount: bytes, context: context) }, label: label)
    }

    /// See ``Device/adopt(address:bytes:label:whenReleased:)``.
    public func adopt(
        address: UInt64, bytes: Int, label: String, whenReleased: @escaping @Sendable () -> Void
    ) throws -> DeviceBuffer {
        guard bytes > 0 else { throw DeviceError.allocation(label: label, bytes: bytes) }
        do {
            let memory = try driverCall {
                try AdoptedMemory(address: address, byteCount: bytes, context: context, whenReleased: whenReleased)
            }
            return buffer(memory, label: label)
        } catch DeviceError.driver(.notDeviceMemory), DeviceError.driver(.outOfBounds) {
            throw DeviceError.notDeviceMemory(label: label, address: address, bytes: bytes)
        }
    }

    func buffer(_ region: any DeviceRegion, label: String) -> DeviceBuffer {
        DeviceBuffer(
            address: region.address, bytes: region.byteCount, label: label, DeviceAllocation(.cuda(region, self)))
    }

    /// See ``Device/write(_:to:offset:)``.
    public func write(_ source: UnsafeRawBufferPointer, to buffer: DeviceBuffer, offset: Int) throws {
        try refuseDuringCapture(to: "write to the buffer \(buffer.label)")
        let (memory, start) = try buffer.locate(source.count, at: offset, on: self)
        try driverCall { try memory.copyIn(source, at: start) }
    }

    /// See ``Device/read(_:offset:into:)``.
    public func read(_ buffer: DeviceBuffer, offset: Int, into destination: UnsafeMutableRawBufferPointer) throws {
        try refuseDuringCapture(to: "read the buffer \(buffer.label)")
        let (memory, start) = try buffer.locate(destination.count, at: offset, on: self)
        try driverCall { try memory.copyOut(destination, at: start) }
    }

    /// See ``Device/fill(_:with:on:)``.
    public func fill(_ buffer: DeviceBuffer, with value: UInt8, on stream: DeviceStream) throws {
        let (memory, start) = try buffer.locate(buffer.bytes, at: 0, on: self)
        let stream = try own(stream)
        try driverCall { try memory.fill(byte: value, at: start, byteCount: buffer.bytes, on: stream) }
    }

    /// See ``Device/makeHostMemory(bytes:)``.
    public func makeHostMemory(bytes: Int) throws -> HostMemory {
        try HostMemory.check(bytes)
        try refuseDuringCapture(to: "allocate memory of the host")
        return HostMemory(
            bytes: bytes, .cuda(try driverCall { try PinnedMemory(byteCount: bytes, context: context) }, self))
    }

    /// See ``Device/copy(from:offset:to:on:)``.
    public func copy(from buffer: DeviceBuffer, offset: Int, to memory: HostMemory, on stream: DeviceStream) throws {
        guard let target = memory.backing.on(self) else { throw DeviceError.foreignHostMemory(bytes: memory.bytes) }
        let (region, start) = try buffer.locate(memory.bytes, at: offset, on: self)
        let stream = try own(stream)
        try driverCall { try region.copyOut(target.bytes, at: start, on: stream) }
    }

    /// See ``Device/copy(from:offset:to:offset:bytes:on:)``.
    public func copy(
        from source: DeviceBuffer, offset sourceOffset: Int, to destination: DeviceBuffer,
        offset destinationOffset: Int, bytes: Int, on stream: DeviceStream
    ) throws {
        let (from, fromStart) = try source.locate(bytes, at: sourceOffset, on: self)
        let (to, toStart) = try destination.locate(bytes, at: destinationOffset, on: self)
        let stream = try own(stream)
        try driverCall {
            try to.copy(from: from, sourceOffset: fromStart, at: toStart, byteCount: bytes, on: stream)
        }
    }
}
