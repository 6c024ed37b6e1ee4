#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#elseif canImport(Darwin)
    import Darwin
#endif

// What differs between the C libraries, under one name each.

#if canImport(Glibc)
    let streamSocket = Int32(SOCK_STREAM.rawValue)
#else
    let streamSocket = SOCK_STREAM
#endif

#if canImport(Darwin)
    let sendFlags: Int32 = 0
#else
    // Writing to a closed connection is an error of the call, not a signal.
    let sendFlags = Int32(MSG_NOSIGNAL)
#endif

extension SocketAddress {
    /// Runs `body` with each of the system's addresses for this one until one succeeds, and returns its result.
    ///
    /// - Throws: `TransportError.unresolvedHost` or `.socketPath`, or what `body` threw last.
    func forEachSystemAddress<Result>(
        _ body: (_ family: Int32, UnsafePointer<sockaddr>, socklen_t) throws(TransportError) -> Result
    ) throws(TransportError) -> Result {
        switch self {
        case .unix(let path):
            return try withUnixAddress(path, body)
        case .tcp(let host, let port):
            var hints = addrinfo()
            hints.ai_socktype = streamSocket
            hints.ai_flags = AI_NUMERICSERV
            var found: UnsafeMutablePointer<addrinfo>?
            let code = getaddrinfo(host, "\(port)", &hints, &found)
            guard code == 0, let first = found else {
                throw .unresolvedHost(host, reason: String(cString: gai_strerror(code)))
            }
            defer { freeaddrinfo(first) }
            var next: UnsafeMutablePointer<addrinfo>? = first
            while let entry = next?.pointee {
                do throws(TransportError) {
                    if let address = entry.ai_addr { return try body(entry.ai_family, address, entry.ai_addrlen) }
                } catch {
                    if entry.ai_next == nil { throw error }
                }
                next = entry.ai_next
            }
            throw .unresolvedHost(host, reason: "it has no address")
        }
    }

    private func withUnixAddress<Result>(
        _ path: String, _ body: (Int32, UnsafePointer<sockaddr>, socklen_t) throws(TransportError) -> Result
    ) throws(TransportError) -> Result {
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        let isAbstract = path.hasPrefix("@")
        let name = Array(path.utf8)
        let room = MemoryLayout.size(ofValue: address.sun_path) - 1
        guard name.count <= room else { throw .socketPath(path, limit: room) }
        withUnsafeMutableBytes(of: &address.sun_path) { bytes in
            bytes.copyBytes(from: name)
            // A leading zero byte marks an abstract name.
            if isAbstract { bytes[0] = 0 }
        }
        let before = MemoryLayout<sockaddr_un>.size - MemoryLayout.size(ofValue: address.sun_path)
        let length = isAbstract ? before + name.count : MemoryLayout<sockaddr_un>.size
        let result: Swift.Result<Result, TransportError> = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { pointer in
                do throws(TransportError) {
                    return .success(try body(AF_UNIX, pointer, socklen_t(length)))
                } catch {
                    return .failure(error)
                }
            }
        }
        return try result.get()
    }
}

/// The system's text for an error number.
func systemText(_ code: Int32) -> String { String(cString: strerror(code)) }
