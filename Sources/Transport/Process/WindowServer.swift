import Accelerator
import Dispatch
import Synchronization

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#elseif canImport(Darwin)
    import Darwin
#endif

/// Serves the windows of a process's ranks to other processes of the machine, at a Unix socket, over which descriptors
/// can be sent.
final class WindowServer: Sendable {
    struct Key: Hashable, Sendable {
        let rank: Int
        let name: String
    }

    private struct Window {
        let buffer: DeviceBuffer
        let handle: SharedMemoryHandle
        var isOffered = false
    }

    /// The address of the socket.
    let address: SocketAddress
    private let listener: Socket
    private let secret: RendezvousSecret
    private let windows = Mutex<[Key: Window]>([:])
    private let isStopped = Atomic(false)
    private let ended = DispatchSemaphore(value: 0)

    /// Longest wait of one request in seconds, so that a process that has gone does not hold a thread forever.
    private static let patience = 3600.0

    init(_ address: SocketAddress, secret: RendezvousSecret) throws(TransportError) {
        (listener, self.address) = try Socket.listen(at: address)
        self.secret = secret
    }

    /// Answers requests on a thread of its own until `stop`.
    func start() {
        DispatchQueue(label: "windows").async { [self] in
            while !isStopped.load(ordering: .relaxed) {
                guard listener.wait(for: Int32(POLLIN), by: Deadline(seconds: 0.1)) else { continue }
                while let connection = listener.accept() {
                    DispatchQueue(label: "window").async { self.answer(connection) }
                }
            }
            ended.signal()
        }
    }

    /// Stops answering, and releases the windows.
    func stop() {
        guard !isStopped.exchange(true, ordering: .relaxed) else { return }
        ended.wait()
        windows.withLock { $0 = [:] }
    }

    /// Keeps a window. Throws `TransportError.repeatedWindow`.
    func add(_ buffer: DeviceBuffer, _ handle: SharedMemoryHandle, _ key: Key) throws(TransportError) {
        let isNew = windows.withLock { windows in
            if windows[key] != nil { return false }
            windows[key] = Window(buffer: buffer, handle: handle)
            return true
        }
        if !isNew { throw .repeatedWindow(rank: key.rank, name: key.name) }
    }

    /// Releases a rank's windows whose names begin with `prefix` and that are shared by descriptor: their memory stays
    /// while others use it. Windows shared otherwise are kept until `stop`.
    func forgetDescriptors(of rank: Int, prefix: String) {
        // Buffers are freed outside the lock.
        let gone = windows.withLock { windows in
            let gone = windows.filter { key, window in
                guard key.rank == rank, key.name.hasPrefix(prefix), case .fileDescriptor = window.handle else {
                    return false
                }
                return true
            }
            for key in gone.keys { windows[key] = nil }
            return gone
        }
        withExtendedLifetime(gone) {}
    }

    /// Offers a window to other processes. Throws `TransportError.unknownWindow`.
    func offer(_ key: Key) throws(TransportError) {
        let isKnown = windows.withLock { windows in
            guard windows[key] != nil else { return false }
            windows[key]?.isOffered = true
            return true
        }
        if !isKnown { throw .unknownWindow(rank: key.rank, name: key.name) }
    }

    /// A window of this process, waited for; nil when it is not offered in time.
    func window(_ key: Key, by deadline: Deadline) -> (DeviceBuffer, SharedMemoryHandle)? {
        while true {
            if let window = windows.withLock({ $0[key] }), window.isOffered { return (window.buffer, window.handle) }
            if deadline.isOver || isStopped.load(ordering: .relaxed) { return nil }
            usleep(500)
        }
    }

    /// Answers a request for a window when it is offered. The request must have the secret.
    private func answer(_ socket: Socket) {
        let connection = Connection(socket, limit: Message.strangersLimit)
        let patience = Deadline(seconds: 10)
        var request: Message?
        while request == nil, !connection.hasEnded, !patience.isOver {
            request = connection.read().first
            if request == nil { _ = socket.wait(for: Int32(POLLIN), by: Deadline(seconds: 0.1)) }
        }
        guard let request, request.kind == .hello, secret.matches(request.name) else { return }
        let key = Key(rank: request.number, name: String(decoding: request.body, as: UTF8.self))
        let deadline = Deadline(seconds: Self.patience)
        while !connection.hasEnded {
            if let (buffer, handle) = window(key, by: Deadline(seconds: 0.05)) {
                let offer = Message(kind: .result, number: key.rank, body: WindowOffer(buffer, handle).encoded)
                guard socket.send(offer.encoded, by: patience) else { return }
                if case .fileDescriptor(let descriptor) = handle {
                    _ = socket.send(descriptor: descriptor.number, by: patience)
                }
                return
            }
            if deadline.isOver || isStopped.load(ordering: .relaxed) { return }
            // Notices when the requesting process has gone.
            _ = connection.read()
        }
    }

    /// Asks another process for a window.
    ///
    /// - Returns: Its size and handle; nil when it does not come in time or the process goes.
    static func fetch(
        _ key: Key, at address: SocketAddress, secret: RendezvousSecret, by deadline: Deadline
    ) throws(TransportError) -> (bytes: Int, handle: SharedMemoryHandle)? {
        let socket = try Socket.connect(to: address, by: deadline)
        let request = Message(kind: .hello, number: key.rank, name: secret.text, body: Array(key.name.utf8))
        guard socket.send(request.encoded, by: deadline), let header = socket.receive(8, by: deadline) else {
            return nil
        }
        let length = header.number(UInt64.self, at: 0)
        guard length <= UInt64(Message.strangersLimit), let rest = socket.receive(Int(length), by: deadline),
            let decoded = try? Message.decode(header + rest, from: 0, limit: Message.strangersLimit),
            let offer = WindowOffer(encoded: decoded.0.body)
        else { return nil }
        if let handle = offer.handle { return (offer.bytes, handle) }
        guard let descriptor = socket.receiveDescriptor(by: deadline) else { return nil }
        return (offer.bytes, .fileDescriptor(FileDescriptor(owning: descriptor)))
    }
}
