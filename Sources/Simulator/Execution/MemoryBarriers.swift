/// The mbarriers of a block, by their addresses in shared memory.
struct MemoryBarriers {
    struct Barrier {
        var address: UInt32
        /// Phases completed.
        var phase: UInt64 = 0
        /// Arrivals that each phase needs.
        var expected: Int
        /// Arrivals that the current phase still needs.
        var pending: Int
        /// Bytes that the current phase still waits for; below zero when copies are ahead of their announcement.
        var pendingBytes = 0

        /// Whether the phase with this parity has completed.
        func hasCompleted(parity: UInt32) -> Bool { phase & 1 != UInt64(parity & 1) }
    }

    private(set) var barriers: [Barrier] = []
    /// Warps suspended in a try-wait.
    var waiting: [Warp] = []

    func find(_ address: UInt32) -> Barrier? { index(address).map { barriers[$0] } }

    private func index(_ address: UInt32) -> Int? { barriers.firstIndex { $0.address == address } }

    mutating func initialise(_ address: UInt32, arrivals: UInt32) throws(InvalidUse) {
        guard (1...1_048_575).contains(arrivals) else {
            throw InvalidUse("an mbarrier for \(arrivals) arrivals; 1 to 1048575 are possible")
        }
        let barrier = Barrier(address: address, expected: Int(arrivals), pending: Int(arrivals))
        if let index = index(address) { barriers[index] = barrier } else { barriers.append(barrier) }
    }

    mutating func invalidate(_ address: UInt32) throws(InvalidUse) {
        barriers.remove(at: try existing(address))
    }

    /// One arrival, after announcing `bytes`. Gives true if that completes the phase.
    mutating func arrive(_ address: UInt32, expecting bytes: Int) throws(InvalidUse) -> Bool {
        let index = try existing(address)
        guard barriers[index].pending > 0 else {
            throw InvalidUse(
                "arrival at the mbarrier at \(name(address)), whose phase \(barriers[index].phase) has had all its "
                    + "\(barriers[index].expected) arrivals and still waits for \(barriers[index].pendingBytes) bytes")
        }
        barriers[index].pendingBytes += bytes
        barriers[index].pending -= 1
        return advance(index)
    }

    /// An asynchronous copy has written `bytes`. Gives true if that completes the phase.
    mutating func complete(_ address: UInt32, bytes: Int) throws(InvalidUse) -> Bool {
        let index = try existing(address)
        barriers[index].pendingBytes -= bytes
        return advance(index)
    }

    func existing(_ address: UInt32) throws(InvalidUse) -> Int {
        guard let index = index(address) else {
            throw InvalidUse("there is no mbarrier at \(name(address)); initialise it first")
        }
        return index
    }

    private mutating func advance(_ index: Int) -> Bool {
        guard barriers[index].pending == 0, barriers[index].pendingBytes == 0 else { return false }
        barriers[index].phase += 1
        barriers[index].pending = barriers[index].expected
        return true
    }

    func name(_ address: UInt32) -> String {
        address >= UInt32(BlockState.firstSharedAddress)
            ? "shared+\(address - UInt32(BlockState.firstSharedAddress))" : "shared address \(address)"
    }
}
