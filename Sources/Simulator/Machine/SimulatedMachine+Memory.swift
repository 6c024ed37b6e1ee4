import KernelLanguage

/// Global memory, as the host sees it.
extension SimulatedMachine {
    /// Allocates global memory, full of 0xFF and marked as not initialised.
    ///
    /// - Returns: The address, a multiple of 1024. Memory before and after the allocation belongs to nobody.
    public func allocate(bytes: Int, label: String) throws(SimulationError) -> UInt64 {
        try memory.allocate(bytes: bytes, label: label)
    }

    /// Makes memory of the host global memory too, all of it initialised: kernels read and write it where it is.
    ///
    /// - Parameters:
    ///   - memory: At least 1 byte, at a multiple of 16; it must stay where it is until the allocation is freed.
    ///   - label: Names the memory in errors.
    /// - Returns: The address, aligned as the memory is, up to 1024. Addresses before and after it belong to nobody.
    public func adopt(_ memory: UnsafeMutableRawBufferPointer, label: String) throws(SimulationError) -> UInt64 {
        try self.memory.adopt(memory, label: label)
    }

    /// Maps an allocation once more: the same memory at another address, as ranks in processes of their own see it. A
    /// judge takes accesses through all mappings as accesses to one memory.
    ///
    /// - Parameters:
    ///   - address: The start of the allocation, or of another mapping of it.
    ///   - bytes: How many from the start; as many as that mapping has for nil.
    ///   - label: A name for diagnostics.
    /// - Returns: The address, aligned as that mapping is. The memory stays until all of its mappings are freed.
    public func alias(of address: UInt64, bytes: Int? = nil, label: String) throws(SimulationError) -> UInt64 {
        try memory.alias(of: address, bytes: bytes, label: label)
    }

    /// Whether `count` bytes at `address` lie inside one allocation.
    public func isAllocated(_ address: UInt64, count: Int) -> Bool {
        count >= 0 && memory.find(address, count: count) != nil
    }

    /// Frees an allocation, or one mapping of several, given by its start. Adopted memory is given up.
    public func free(_ address: UInt64) throws(SimulationError) {
        if let judge, let (region, _) = memory.find(address, count: 1), region.pointee.backing.pointee.mappings == 1 {
            judge.forgetLocations(UInt(bitPattern: region.pointee.data), region.pointee.backing.pointee.bytes)
        }
        try memory.free(address)
    }

    /// Copies bytes to global memory, at once.
    public func write(_ bytes: UnsafeRawBufferPointer, at address: UInt64) throws(SimulationError) {
        try memory.write(bytes, at: address)
        judge?.hostAccess(address, bytes.count, isWrite: true)
        counters.pointee.progress &+= 1
    }

    /// Copies bytes from global memory, at once; bytes that nobody has written read as 0xFF.
    public func read(into bytes: UnsafeMutableRawBufferPointer, from address: UInt64) throws(SimulationError) {
        try memory.read(into: bytes, from: address)
        judge?.hostAccess(address, bytes.count, isWrite: false)
    }

    /// Sets `count` bytes of global memory to `value`, at once.
    public func fill(bytes count: Int, value: UInt8, at address: UInt64) throws(SimulationError) {
        try memory.fill(count: count, value: value, at: address)
        judge?.hostAccess(address, count, isWrite: true)
        counters.pointee.progress &+= 1
    }

    /// The allocation, or the block's shared memory, next to `address`.
    func nearest(_ space: MemorySpace, _ address: UInt64, _ block: BlockState?) -> AccessFault.NearestAllocation? {
        guard space == .shared, let block else { return memory.nearest(address) }
        return .init(
            label: "shared memory", bytes: block.shared.pointee.bytes,
            offset: Int64(bitPattern: address &- block.shared.pointee.base))
    }

    func fail(_ error: SimulationError) {
        if failure == nil { failure = error }
    }

    func fail(
        outOfBounds space: MemorySpace, _ address: UInt64, _ bytes: Int, _ place: ExecutionPlace,
        in block: BlockState? = nil
    ) {
        fail(
            .outOfBounds(
                AccessFault(
                    place: place, space: space, address: address, bytes: bytes,
                    nearest: nearest(space, address, block))))
    }
}
