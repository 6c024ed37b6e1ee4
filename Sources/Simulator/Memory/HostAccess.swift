/// Access to global memory from the host: immediate, and checked for bounds.
extension DeviceMemory {
    func write(_ bytes: UnsafeRawBufferPointer, at address: UInt64) throws(SimulationError) {
        guard let source = bytes.baseAddress, bytes.count > 0 else { return }
        let (region, offset) = try locate(address, bytes.count)
        (region.pointee.data + offset).copyMemory(from: source, byteCount: bytes.count)
        region.pointee.markInitialised(offset, count: bytes.count)
    }

    func read(into bytes: UnsafeMutableRawBufferPointer, from address: UInt64) throws(SimulationError) {
        guard bytes.count > 0 else { return }
        let (region, offset) = try locate(address, bytes.count)
        bytes.copyMemory(from: UnsafeRawBufferPointer(start: region.pointee.data + offset, count: bytes.count))
    }

    func fill(count: Int, value: UInt8, at address: UInt64) throws(SimulationError) {
        guard count >= 0 else { throw .invalidArgument("a fill of \(count) bytes; the count cannot be negative") }
        guard count > 0 else { return }
        let (region, offset) = try locate(address, count)
        (region.pointee.data + offset).initializeMemory(as: UInt8.self, repeating: value, count: count)
        region.pointee.markInitialised(offset, count: count)
    }

    private func locate(
        _ address: UInt64, _ count: Int
    ) throws(SimulationError) -> (UnsafeMutablePointer<Region>, Int) {
        guard let (region, offset) = find(address, count: count) else {
            throw .outOfBounds(
                AccessFault(place: nil, space: .global, address: address, bytes: count, nearest: nearest(address)))
        }
        return (region, offset)
    }
}
