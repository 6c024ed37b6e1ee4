/// A process's introduction when it joins.
struct Greeting {
    /// The version of the messages and of the values that processes agree on.
    static let version = 1

    let version: Int
    let processes: Int

    init(processes: Int) { (version, self.processes) = (Self.version, processes) }

    init?(encoded bytes: [UInt8]) {
        guard bytes.count == 8 else { return nil }
        version = Int(bytes.number(UInt32.self, at: 0))
        processes = Int(bytes.number(UInt32.self, at: 4))
    }

    var encoded: [UInt8] {
        var bytes: [UInt8] = []
        bytes.append(UInt32(version))
        bytes.append(UInt32(processes))
        return bytes
    }
}
