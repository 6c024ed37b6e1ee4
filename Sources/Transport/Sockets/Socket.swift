#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#elseif canImport(Darwin)
    import Darwin
#endif

/// A connection between two processes, or a listening socket; closed with the last reference. Every wait has a
/// deadline.
package final class Socket: Sendable {
    let descriptor: Int32
    /// A file to remove when the socket is closed.
    private let path: String?

    private init(_ descriptor: Int32, path: String? = nil) {
        self.descriptor = descriptor
        self.path = path
        _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
        _ = fcntl(descriptor, F_SETFL, O_NONBLOCK)
    }

    deinit {
        close(descriptor)
        if let path { unlink(path) }
    }

    /// Waits for connections at `address`, and nowhere else; port 0 takes a free one.
    ///
    /// - Returns: The socket, and the address that it listens at.
    /// - Throws: `TransportError.listening`.
    package static func listen(at address: SocketAddress) throws(TransportError) -> (
        socket: Socket, address: SocketAddress
    ) {
        let listening = try address.forEachSystemAddress {
            (family, system, length) throws(TransportError) -> Socket in
            let descriptor = socket(family, streamSocket, 0)
            guard descriptor >= 0 else { throw .listening(address, reason: systemText(errno)) }
            var file: String?
            if case .unix(let path) = address, !path.hasPrefix("@") { file = path }
            var on: Int32 = 1
            setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &on, socklen_t(MemoryLayout<Int32>.size))
            guard bind(descriptor, system, length) == 0, systemListen(descriptor) == 0 else {
                let code = errno
                close(descriptor)
                throw .listening(address, reason: systemText(code))
            }
            return Socket(descriptor, path: file)
        }
        guard case .tcp(let host, _) = address else { return (listening, address) }
        return (listening, .tcp(host: host, port: listening.port))
    }

    /// Connects to a process at `address`, which may only just be starting.
    ///
    /// - Throws: `TransportError.unreachable` when no process has answered in time.
    package static func connect(to address: SocketAddress, by deadline: Deadline) throws(TransportError) -> Socket {
        while true {
            do throws(TransportError) {
                return try address.forEachSystemAddress { (family, system, length) throws(TransportError) in
                    try connect(family, system, length, to: address, by: deadline)
                }
            } catch {
                if deadline.isOver { throw error }
                usleep(20_000)
            }
        }
    }

    private static func connect(
        _ family: Int32, _ system: UnsafePointer<sockaddr>, _ length: socklen_t, to address: SocketAddress,
        by deadline: Deadline
    ) throws(TransportError) -> Socket {
        let descriptor = socket(family, streamSocket, 0)
        guard descriptor >= 0 else { throw .unreachable(address, reason: systemText(errno)) }
        let connection = Socket(descriptor)
        var code: Int32 = 0
        if systemConnect(descriptor, system, length) != 0 {
            code = errno
            if code == EINPROGRESS || code == EINTR {
                guard connection.wait(for: Int32(POLLOUT), by: deadline) else {
                    throw .unreachable(address, reason: "no answer within \(deadline.seconds) s")
                }
                var size = socklen_t(MemoryLayout<Int32>.size)
                getsockopt(descriptor, SOL_SOCKET, SO_ERROR, &code, &size)
            }
        }
        guard code == 0 else { throw .unreachable(address, reason: systemText(code)) }
        if family != AF_UNIX {
            var on: Int32 = 1
            setsockopt(descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, &on, socklen_t(MemoryLayout<Int32>.size))
        }
        return connection
    }

    /// The next connection, if one is waiting.
    func accept() -> Socket? {
        let descriptor = systemAccept(descriptor)
        return descriptor >= 0 ? Socket(descriptor) : nil
    }

    /// Whether `events` of `poll`, or an end of the connection, come in time.
    func wait(for events: Int32, by deadline: Deadline) -> Bool {
        while true {
            var entry = pollfd(fd: descriptor, events: Int16(events), revents: 0)
            let count = poll(&entry, 1, deadline.milliseconds)
            if count > 0 { return true }
            if count == 0 || errno != EINTR { return false }
        }
    }

    /// The result of a read or write that does not wait.
    enum Progress {
        case bytes(Int)
        /// Nothing can be read or written now.
        case later
        /// The other end is closed.
        case ended
    }

    /// Reads the bytes that have arrived.
    func read(into buffer: UnsafeMutableRawBufferPointer) -> Progress {
        progress(recv(descriptor, buffer.baseAddress, buffer.count, 0))
    }

    /// Writes as much as the socket takes.
    func write(_ bytes: UnsafeRawBufferPointer) -> Progress {
        let count = systemSend(descriptor, bytes)
        return count == 0 ? .later : progress(count)
    }

    private func progress(_ count: Int) -> Progress {
        if count > 0 { return .bytes(count) }
        if count < 0, errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR { return .later }
        return .ended
    }

    /// Reads exactly `count` bytes; nil when the other end closes or the time is over.
    package func receive(_ count: Int, by deadline: Deadline) -> [UInt8]? {
        var bytes = [UInt8](repeating: 0, count: count)
        var done = 0
        while done < count {
            let part = bytes.withUnsafeMutableBytes {
                read(into: UnsafeMutableRawBufferPointer(rebasing: $0[done...]))
            }
            switch part {
            case .bytes(let number): done += number
            case .later: if !wait(for: Int32(POLLIN), by: deadline) { return nil }
            case .ended: return nil
            }
        }
        return bytes
    }

    /// Writes all bytes. Returns false when the other end closes or the time is over.
    package func send(_ bytes: [UInt8], by deadline: Deadline) -> Bool {
        var done = 0
        while done < bytes.count {
            let part = bytes.withUnsafeBytes { write(UnsafeRawBufferPointer(rebasing: $0[done...])) }
            switch part {
            case .bytes(let number): done += number
            case .later: if !wait(for: Int32(POLLOUT), by: deadline) { return false }
            case .ended: return false
            }
        }
        return true
    }

    /// The port that a TCP socket is bound to.
    private var port: Int {
        var storage = sockaddr_storage()
        var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
        return withUnsafeMutablePointer(to: &storage) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { pointer in
                guard getsockname(descriptor, pointer, &length) == 0 else { return 0 }
                // Both families have the port after the family, the high byte first.
                let bytes = UnsafeRawPointer(pointer).loadUnaligned(fromByteOffset: 2, as: UInt16.self)
                return Int(UInt16(bigEndian: bytes))
            }
        }
    }
}

// The system's functions whose names the class has as well.

private func systemListen(_ descriptor: Int32) -> Int32 { listen(descriptor, 1024) }

private func systemConnect(_ descriptor: Int32, _ address: UnsafePointer<sockaddr>, _ length: socklen_t) -> Int32 {
    connect(descriptor, address, length)
}

private func systemAccept(_ descriptor: Int32) -> Int32 { accept(descriptor, nil, nil) }

private func systemSend(_ descriptor: Int32, _ bytes: UnsafeRawBufferPointer) -> Int {
    send(descriptor, bytes.baseAddress, bytes.count, sendFlags)
}
