extension DeviceBuffer {
    /// The address of `bytes` bytes at `offset`. Throws `DeviceError.bufferRange` unless they lie inside.
    func address(of bytes: Int, at offset: Int) throws(DeviceError) -> UInt64 {
        guard offset >= 0, bytes >= 0, bytes <= self.bytes, offset <= self.bytes - bytes else {
            throw .bufferRange(label: label, offset: offset, bytes: bytes, size: self.bytes)
        }
        return address + UInt64(offset)
    }
}

/// The allocations of a device.
struct AllocationTable<Allocation> {
    private var allocations: [UInt64: (bytes: Int, allocation: Allocation)] = [:]

    mutating func insert(_ allocation: Allocation, at address: UInt64, bytes: Int) {
        allocations[address] = (bytes, allocation)
    }

    mutating func remove(_ address: UInt64) -> Allocation? {
        allocations.removeValue(forKey: address)?.allocation
    }

    /// The allocation that holds the buffer, and where in it. A buffer may be a part of an allocation. Throws
    /// `DeviceError.foreignBuffer` when there is none.
    func find(_ buffer: DeviceBuffer) throws(DeviceError) -> (allocation: Allocation, offset: Int) {
        if let exact = allocations[buffer.address], buffer.bytes <= exact.bytes { return (exact.allocation, 0) }
        for (address, entry) in allocations where address <= buffer.address {
            let offset = buffer.address - address
            if offset <= UInt64(entry.bytes), buffer.bytes <= entry.bytes - Int(offset) {
                return (entry.allocation, Int(offset))
            }
        }
        throw .foreignBuffer(label: buffer.label, address: buffer.address)
    }
}
