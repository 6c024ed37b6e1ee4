/// The address that a process listens at.
public enum SocketAddress: Hashable, Sendable, LosslessStringConvertible {
    /// A host's name or number, and a port.
    case tcp(host: String, port: Int)
    /// A socket of this machine: a path, or with a leading `@` an abstract name, which goes with its process (Linux
    /// only).
    case unix(String)

    /// Reads `host:port`, `[host]:port` for IPv6, or `unix:path`; nil for other texts.
    public init?(_ description: String) {
        if description.hasPrefix("unix:") {
            let path = description.dropFirst("unix:".count)
            guard !path.isEmpty else { return nil }
            self = .unix(String(path))
            return
        }
        guard let colon = description.lastIndex(of: ":"),
            let port = Int(description[description.index(after: colon)...]), (0...65_535).contains(port)
        else { return nil }
        var host = description[..<colon]
        if host.hasPrefix("["), host.hasSuffix("]") { host = host.dropFirst().dropLast() }
        guard !host.isEmpty else { return nil }
        self = .tcp(host: String(host), port: port)
    }

    /// The text that `init(_:)` takes.
    public var description: String {
        switch self {
        case .tcp(let host, let port): host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)"
        case .unix(let path): "unix:\(path)"
        }
    }
}
