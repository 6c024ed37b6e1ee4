import Synchronization

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#elseif canImport(Darwin)
    import Darwin
#endif

/// Serves all connections of a rendezvous from one thread.
final class RendezvousLoop: Sendable {
    let members: Mutex<RendezvousMembers>
    private let listener: Socket
    private let isStopped = Atomic(false)
    /// A pipe that ends a wait.
    private let (waiting, waking): (Int32, Int32)

    init(_ listener: Socket, at address: SocketAddress, _ members: sending RendezvousMembers) throws(TransportError) {
        var ends: [Int32] = [-1, -1]
        guard pipe(&ends) == 0 else { throw .listening(address, reason: systemText(errno)) }
        for end in ends {
            _ = fcntl(end, F_SETFD, FD_CLOEXEC)
            _ = fcntl(end, F_SETFL, O_NONBLOCK)
        }
        (waiting, waking) = (ends[0], ends[1])
        self.listener = listener
        self.members = Mutex(members)
    }

    deinit {
        close(waiting)
        close(waking)
    }

    /// Ends a wait of the thread, which then serves all connections.
    func wake() {
        var byte: UInt8 = 0
        _ = write(waking, &byte, 1)
    }

    /// Lets `run` return soon.
    func stop() {
        isStopped.store(true, ordering: .relaxed)
        wake()
    }

    /// Serves until `stop`.
    func run() {
        while !isStopped.load(ordering: .relaxed) {
            var entries = [
                pollfd(fd: listener.descriptor, events: Int16(POLLIN), revents: 0),
                pollfd(fd: waiting, events: Int16(POLLIN), revents: 0),
            ]
            entries += members.withLock { members in
                members.connections.map {
                    pollfd(
                        fd: $0.socket.descriptor, events: Int16(POLLIN | ($0.wantsToWrite ? POLLOUT : 0)), revents: 0)
                }
            }
            // Wakes up in time to drop clients that say nothing.
            _ = poll(&entries, nfds_t(entries.count), 500)
            var bytes = [UInt8](repeating: 0, count: 64)
            while read(waiting, &bytes, bytes.count) > 0 {}
            members.withLock { members in
                while let socket = listener.accept() { members.add(socket) }
                members.serve()
            }
        }
        // Send the last messages.
        members.withLock { for connection in $0.connections { connection.write() } }
    }
}
