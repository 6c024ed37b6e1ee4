import Dispatch

/// The server through which the processes of a group meet: it gathers their contributions to collectives, sends all of
/// them to all, and announces processes that have gone. It runs on a thread of its own, in the process that starts the
/// others or in the first of them.
///
/// It listens at one address. Clients that do not send the group's secret within seconds are dropped.
public final class RendezvousServer: Sendable {
    /// The address that it listens at, with the actual port.
    public let address: SocketAddress
    private let loop: RendezvousLoop
    private let ended = DispatchSemaphore(value: 0)

    /// Starts to listen.
    ///
    /// - Parameters:
    ///   - processes: The number of processes of the group.
    ///   - secret: The secret that admits them.
    ///   - address: Where to listen; nothing else is listened on. Port 0 takes a free one.
    /// - Throws: `TransportError.listening`, `.unresolvedHost`, `.socketPath`.
    public init(
        processes: Int, secret: RendezvousSecret, at address: SocketAddress = .tcp(host: "127.0.0.1", port: 0)
    ) throws(TransportError) {
        let (listener, place) = try Socket.listen(at: address)
        self.address = place
        let loop = try RendezvousLoop(listener, at: place, RendezvousMembers(processes: processes, secret: secret))
        self.loop = loop
        // A queue of its own: those that are shared may have no thread free.
        DispatchQueue(label: "rendezvous").async { [ended] in
            loop.run()
            ended.signal()
        }
    }

    deinit {
        loop.stop()
        ended.wait()
    }

    /// The failures that processes have reported so far, in order of arrival.
    public var failures: [ProcessFailure] { loop.members.withLock { $0.failures } }

    /// Processes that have gone without a report, or were given up, and why.
    public var lost: [Int: String] { loop.members.withLock { $0.lost } }

    /// Processes that others have given up.
    public var givenUp: Set<Int> { loop.members.withLock { $0.givenUp } }

    /// Notes that a process has gone and why, and tells all others. A later reason takes the place of an earlier one.
    public func lose(_ process: Int, reason: String) {
        loop.members.withLock { members in
            // The process's own report says more.
            members.read(from: process)
            if !members.failures.contains(where: { $0.process == process }) { members.lose(process, reason: reason) }
        }
        loop.wake()
    }
}
