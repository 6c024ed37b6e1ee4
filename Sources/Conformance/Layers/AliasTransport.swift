import Accelerator
import Synchronization
import Transport

/// Ranks of one process and device that see each other's windows at different addresses, as ranks in processes of their
/// own do: every rank opens the windows of the others for itself. For devices that open their own shared memory.
package final class AliasTransport: Transport {
    package let rank: Int
    private let windows: Windows

    /// The windows of all ranks.
    private final class Windows: Sendable {
        struct Window {
            let buffer: DeviceBuffer
            let device: any Device
        }

        let ranks: Int
        let made = Mutex<[String: [Int: Window]]>([:])

        init(ranks: Int) { self.ranks = ranks }
    }

    private init(rank: Int, _ windows: Windows) {
        self.rank = rank
        self.windows = windows
    }

    /// The transports of a group, by rank, for ranks that one thread works for: nothing waits.
    package static func group(ranks: Int) -> [AliasTransport] {
        let windows = Windows(ranks: ranks)
        return (0..<ranks).map { AliasTransport(rank: $0, windows) }
    }

    /// The transport of a rank that is started again in place of this one's, whose windows are forgotten.
    package func replacement() -> AliasTransport {
        windows.made.withLock { made in
            for name in made.keys { made[name]?[rank] = nil }
        }
        return AliasTransport(rank: rank, windows)
    }

    package var ranks: Int { windows.ranks }

    package func reach(of peer: Int) -> PeerReach { peer == rank ? .sameDevice : .loadStore }

    package func makeWindow(_ name: String, bytes: Int, on device: any Device) throws -> DeviceBuffer {
        let window = Windows.Window(
            buffer: try device.allocateShareable(bytes: bytes, label: "\(name) of rank \(rank)"), device: device)
        let isNew = windows.made.withLock { made in
            if made[name]?[rank] != nil { return false }
            made[name, default: [:]][rank] = window
            return true
        }
        guard isNew else { throw TransportError.repeatedWindow(rank: rank, name: name) }
        return window.buffer
    }

    package func offerWindow(_ name: String) throws {}

    package func windows(_ name: String, within seconds: Double) throws -> [DeviceBuffer] {
        try (0..<ranks).map { try window(name, of: $0, within: seconds) }
    }

    package func window(_ name: String, of peer: Int, within seconds: Double) throws -> DeviceBuffer {
        guard let window = windows.made.withLock({ $0[name]?[peer] }) else {
            throw TransportError.missingRanks([peer], what: "window \"\(name)\"", seconds: 0)
        }
        if peer == rank { return window.buffer }
        return try window.device.open(
            window.device.export(window.buffer), bytes: window.buffer.bytes,
            label: "\(name) of rank \(peer) as rank \(rank) has it")
    }

    package func barrier(within seconds: Double) throws {}
}
