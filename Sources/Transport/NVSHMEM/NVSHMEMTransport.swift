import Accelerator
import NVSHMEM
import Synchronization

/// The transport of a rank that reaches others by NVSHMEM, and those of its node by loads and stores if there are nodes
/// of several ranks.
public final class NVSHMEMTransport: Transport {
    /// See ``Transport/rank``.
    public let rank: Int
    /// The engine that moves memory.
    public let engine: NVSHMEMEngine
    private let windows: Windows

    /// Windows of a process's ranks: the first rank of each process has its window at the same place of the heap, and
    /// so on. Their memory may be freed after the last reference.
    final class Windows: Sendable {
        /// The number of the group of ranks.
        let number: Int
        private let engine: NVSHMEMEngine

        init(_ number: Int, of engine: NVSHMEMEngine) { (self.number, self.engine) = (number, engine) }

        deinit { engine.leave(number) }

        struct Key: Hashable {
            /// A rank's number in its process.
            let place: Int
            let name: String
        }

        let made = Mutex<[Key: DeviceBuffer]>([:])
    }

    init(rank: Int, of engine: NVSHMEMEngine, _ windows: Windows) {
        (self.rank, self.engine, self.windows) = (rank, engine, windows)
    }

    private var group: ProcessGroup { engine.group }

    private func key(_ name: String, of rank: Int) -> Windows.Key {
        .init(place: rank % group.ranksPerProcess, name: name)
    }

    /// See ``Transport/ranks``.
    public var ranks: Int { group.ranks }

    /// The number of ranks of a PE, by which the functions find the PE of a rank.
    public var networkContext: UInt64? { UInt64(group.ranksPerProcess) }

    /// See ``Transport/reach(of:)``.
    public func reach(of peer: Int) -> PeerReach {
        if peer == rank { return .sameDevice }
        return isOfNode(peer) ? .loadStore : .put
    }

    private func isOfNode(_ peer: Int) -> Bool { peer / engine.ranksPerNode == rank / engine.ranksPerNode }

    /// See ``Transport/makeWindow(_:bytes:on:)``.
    ///
    /// - Throws: `NVSHMEMError.call` when memory runs out.
    public func makeWindow(_ name: String, bytes: Int, on device: any Device) throws -> DeviceBuffer {
        let key = key(name, of: rank)
        guard windows.made.withLock({ $0[key] }) == nil else {
            throw TransportError.repeatedWindow(rank: rank, name: name)
        }
        let window = try allocate(bytes: bytes, label: "\(name) of rank \(rank)")
        windows.made.withLock { $0[key] = window }
        return window
    }

    /// Memory of the symmetric heap, from which NVSHMEM puts.
    public func makeSource(_ label: String, bytes: Int, on device: any Device) throws -> DeviceBuffer {
        try allocate(bytes: bytes, label: label)
    }

    private func allocate(bytes: Int, label: String) throws -> DeviceBuffer {
        try engine.allocate(bytes: bytes, label: label, group: windows.number, place: rank % group.ranksPerProcess)
    }

    /// See ``Transport/offerWindow(_:)``. Others learn of it when they meet in ``windows(_:within:)``.
    public func offerWindow(_ name: String) throws { _ = try own(name, of: rank) }

    /// See ``Transport/windows(_:within:)``. All ranks call it for the same windows in the same order.
    ///
    /// - Throws: Also `NVSHMEMError.unreachable`.
    public func windows(_ name: String, within seconds: Double) throws -> [DeviceBuffer] {
        try group.rendezvous.barrier("window \"\(name)\"", within: seconds)
        return try (0..<ranks).map { peer in
            // The place in this process's heap, by which the engine finds the other's.
            let place = try own(name, of: peer)
            let process = group.process(of: peer)
            if process == group.rendezvous.process || !(isOfNode(peer) || engine.reachesMappedMemoryAlone) {
                return place
            }
            let mapped = try engine.mapped(place, of: process, label: "\(name) of rank \(peer) for rank \(rank)")
            return isOfNode(peer) ? mapped : place
        }
    }

    private func own(_ name: String, of peer: Int) throws -> DeviceBuffer {
        guard let window = windows.made.withLock({ $0[key(name, of: peer)] }) else {
            throw TransportError.unknownWindow(rank: rank, name: name)
        }
        return window
    }

    /// Groups over NVSHMEM do not go on without a rank.
    ///
    /// - Throws: `NVSHMEMError.cannotMask`.
    public func requireMasks() throws { throw NVSHMEMError.cannotMask }

    /// There are no groups over NVSHMEM that take ranks in again.
    public func window(_ name: String, of peer: Int, within seconds: Double) throws -> DeviceBuffer {
        throw NVSHMEMError.cannotMask
    }

    /// See ``Transport/settle()``.
    public func settle() throws { try engine.settle() }

    /// See ``Transport/barrier(within:)``.
    public func barrier(within seconds: Double) throws { try group.barrier(of: rank, within: seconds) }
}
