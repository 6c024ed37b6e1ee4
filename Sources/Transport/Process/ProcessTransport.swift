import Accelerator

/// The transport of a rank whose group is shared by several processes of a machine.
///
/// Windows are device memory that other processes map: on GPUs by descriptor or legacy handle, with peer access between
/// GPUs; on the simulator as memory of the operating system. They are offered as long as the transport lives.
public final class ProcessTransport: Transport {
    /// See ``Transport/rank``.
    public let rank: Int
    /// The processes of the group.
    public let group: ProcessGroup

    /// The number of its group of ranks, among those that the processes have made together.
    private let number: Int

    init(rank: Int, of group: ProcessGroup, number: Int) {
        self.rank = rank
        self.group = group
        self.number = number
    }

    deinit { group.windows.forgetDescriptors(of: rank, prefix: prefix) }

    private var prefix: String { "\(number) " }

    private func key(_ name: String, of rank: Int) -> WindowServer.Key { .init(rank: rank, name: prefix + name) }

    /// See ``Transport/ranks``.
    public var ranks: Int { group.ranks }

    /// See ``Transport/reach(of:)``.
    public func reach(of peer: Int) -> PeerReach {
        let (own, other) = (group.process(of: rank), group.process(of: peer))
        if own == other { return .sameDevice }
        let (here, there) = (group.member(own), group.member(other))
        if here.host != there.host { return .put }
        return here.device == there.device ? .sameDevice : .loadStore
    }

    /// See ``Transport/makeWindow(_:bytes:on:)``.
    public func makeWindow(_ name: String, bytes: Int, on device: any Device) throws -> DeviceBuffer {
        let window = try device.allocateShareable(bytes: bytes, label: "\(name) of rank \(rank)")
        try group.windows.add(window, device.export(window), key(name, of: rank))
        return window
    }

    /// See ``Transport/offerWindow(_:)``.
    public func offerWindow(_ name: String) throws { try group.windows.offer(key(name, of: rank)) }

    /// See ``Transport/windows(_:within:)``.
    ///
    /// - Throws: Also `TransportError.unreachableRank` for one of another machine or a GPU without peer access, and
    ///   `.lostProcesses`.
    public func windows(_ name: String, within seconds: Double) throws -> [DeviceBuffer] {
        let deadline = Deadline(seconds: seconds)
        return try (0..<ranks).map { try window(name, of: $0, by: deadline) }
    }

    /// See ``Transport/window(_:of:within:)``.
    public func window(_ name: String, of peer: Int, within seconds: Double) throws -> DeviceBuffer {
        try window(name, of: peer, by: Deadline(seconds: seconds))
    }

    private func window(_ name: String, of peer: Int, by deadline: Deadline) throws -> DeviceBuffer {
        let key = key(name, of: peer)
        func missing() -> any Error {
            TransportError.missingRanks([peer], what: "window \"\(name)\"", seconds: deadline.seconds)
        }
        let process = group.process(of: peer)
        guard process != group.rendezvous.process else {
            guard let (window, _) = group.windows.window(key, by: deadline) else { throw missing() }
            return window
        }
        try requireReach(of: peer)
        let member = group.member(process)
        guard let address = SocketAddress(member.windows) else {
            throw TransportError.malformed(from: process, what: "an address")
        }
        let visits = group.rendezvous.visits(of: process)
        while true {
            // Asks repeatedly, to notice when the process has gone.
            let turn = Deadline(seconds: min(1, Double(deadline.milliseconds) / 1e3))
            let answer = Result {
                try WindowServer.fetch(key, at: address, secret: group.rendezvous.secret, by: turn)
            }
            if let (bytes, handle) = try? answer.get() {
                return try group.device.open(handle, bytes: bytes, label: "\(name) of rank \(peer) for rank \(rank)")
            }
            if let reason = group.rendezvous.lost[process] {
                throw TransportError.lostProcesses([process: reason], what: "window \"\(name)\"")
            }
            if group.rendezvous.visits(of: process) != visits {
                throw TransportError.lostProcesses([process: "it has been started again"], what: "window \"\(name)\"")
            }
            guard deadline.isOver else { continue }
            if case .failure(let error) = answer {
                throw TransportError.unreachableRank(
                    peer,
                    reason: "\(error); let the containers of a machine share a directory, and name it in "
                        + "SWIFTEP_SOCKET_DIRECTORY")
            }
            throw missing()
        }
    }

    private func requireReach(of peer: Int) throws {
        switch reach(of: peer) {
        case .sameDevice: break
        case .put:
            throw TransportError.unreachableRank(
                peer,
                reason: "it is on another machine, and this transport shares memory of one; start the ranks of a group "
                    + "on one machine, or have a network between them (--transport nvshmem)")
        case .loadStore:
            let device = group.member(group.process(of: peer)).device
            guard try group.device.canReach(uniqueID: device) else {
                throw TransportError.unreachableRank(
                    peer,
                    reason: "the GPU of this process, \(group.device.properties.name), has no peer access to its GPU "
                        + "\(device); let every process see all GPUs (CUDA_VISIBLE_DEVICES), and use GPUs with NVLink "
                        + "or a common PCIe root")
            }
        }
    }

    /// See ``Transport/barrier(within:)``. Ranks of a process come to it from threads of their own.
    public func barrier(within seconds: Double) throws { try group.barrier(of: rank, within: seconds) }
}
