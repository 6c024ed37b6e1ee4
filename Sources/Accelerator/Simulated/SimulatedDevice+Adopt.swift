import Simulator

extension SimulatedDevice {
    /// See ``Device/adopt(address:bytes:label:whenReleased:)``. Memory of the host is adopted by
    /// `adopt(host:label:whenReleased:)`.
    public func adopt(
        address: UInt64, bytes: Int, label: String, whenReleased: @escaping @Sendable () -> Void
    ) throws -> DeviceBuffer {
        guard bytes > 0 else { throw DeviceError.allocation(label: label, bytes: bytes) }
        try exclusively {
            guard machine.isAllocated(address, count: bytes) else {
                throw DeviceError.notDeviceMemory(label: label, address: address, bytes: bytes)
            }
        }
        return buffer(.adopted(whenReleased: whenReleased), address, bytes, label)
    }

    /// Uses memory of the host, such as an array of NumPy, without a copy: kernels read and write it where it is, while
    /// the device is being synchronised. All of it counts as initialised.
    ///
    /// - Parameters:
    ///   - memory: At least 1 byte, at a multiple of 16, which must stay where it is until it is released. It may be
    ///     adopted several times, all of it or parts of what is adopted already.
    ///   - label: The memory's purpose, as errors name it.
    ///   - whenReleased: Called once when the buffer's last reference has gone and no work under way can use the
    ///     memory. Not called when this throws.
    /// - Throws: `DeviceError.allocation` for 0 bytes, `.hostAlignment`, `.adoptedInPart`.
    public func adopt(
        host memory: UnsafeMutableRawBufferPointer, label: String,
        whenReleased: @escaping @Sendable () -> Void = {}
    ) throws -> DeviceBuffer {
        guard let start = memory.baseAddress, memory.count > 0 else {
            throw DeviceError.allocation(label: label, bytes: memory.count)
        }
        try requireRoom(memory.count, label)
        let (end, wraps) = UInt(bitPattern: start).addingReportingOverflow(UInt(memory.count))
        guard !wraps else { throw DeviceError.allocation(label: label, bytes: memory.count) }
        let place = UInt(bitPattern: start)..<end
        guard place.lowerBound % 16 == 0 else {
            throw DeviceError.hostAlignment(label: label, address: UInt64(place.lowerBound))
        }
        let (region, address) = try exclusively {
            if let index = hostRegions.firstIndex(where: { $0.place.overlaps(place) }) {
                let known = hostRegions[index]
                guard known.place.lowerBound <= place.lowerBound, place.upperBound <= known.place.upperBound else {
                    throw DeviceError.adoptedInPart(
                        label: label, address: UInt64(place.lowerBound), bytes: memory.count)
                }
                hostRegions[index].users += 1
                return (known.address, known.address + UInt64(place.lowerBound - known.place.lowerBound))
            }
            let address = try machine.adopt(memory, label: label)
            hostRegions.append(HostRegion(place: place, address: address, users: 1))
            return (address, address)
        }
        return buffer(.host(region, whenReleased: whenReleased), address, memory.count, label)
    }

    func buffer(_ kind: SimulatedAllocation.Kind, _ address: UInt64, _ bytes: Int, _ label: String) -> DeviceBuffer {
        DeviceBuffer(
            address: address, bytes: bytes, label: label,
            DeviceAllocation(.simulated(SimulatedAllocation(kind: kind), self)))
    }
}
