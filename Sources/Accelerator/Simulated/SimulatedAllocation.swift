import Simulator

/// Memory of the machine behind buffers.
struct SimulatedAllocation: Sendable {
    let kind: Kind

    enum Kind: Sendable {
        /// The device's own, from this address on.
        case own(UInt64)
        /// A part of an allocation that its owner frees.
        case adopted(whenReleased: @Sendable () -> Void)
        /// Memory of the host, or a part of it, that the machine has at this address.
        case host(UInt64, whenReleased: @Sendable () -> Void)
        /// Memory that processes share, which the machine has at this address; the device's own if it made it.
        case shared(UInt64, SharedMapping, isOwn: Bool)
    }
}

/// Memory of the host that the machine uses.
struct HostRegion {
    /// Its addresses on the host, as numbers.
    let place: Range<UInt>
    /// Its address on the machine.
    let address: UInt64
    /// The number of buffers in it.
    var users: Int
}

extension SimulatedDevice {
    /// Frees an allocation, or gives it up. Call under the lock.
    ///
    /// - Returns: The owner's `whenReleased`, for the caller to call outside the lock.
    func free(_ allocation: SimulatedAllocation) -> (@Sendable () -> Void)? {
        switch allocation.kind {
        case .shared(let address, let mapping, _):
            try? machine.free(address)
            forget(address, of: mapping.file.identity)
            return nil
        case .own(let address):
            // The machine gave the address, so freeing cannot fail; nor could a caller receive the error.
            try? machine.free(address)
            return nil
        case .adopted(let whenReleased): return whenReleased
        case .host(let address, let whenReleased):
            if let index = hostRegions.firstIndex(where: { $0.address == address }) {
                hostRegions[index].users -= 1
                if hostRegions[index].users == 0 {
                    hostRegions.remove(at: index)
                    try? machine.free(address)
                }
            }
            return whenReleased
        }
    }
}
