// Names and documentation are those of swiftep.h.
// swift-format-ignore-file: AlwaysUseLowerCamelCase, AllPublicDeclarationsHaveDocumentation

import Accelerator
import CSwiftEP
import ExpertParallel
import Synchronization
import Transport

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#elseif canImport(Darwin)
    import Darwin
#endif

/// Rendezvous of groups that this process has begun and not joined yet, by their identities.
private let begun = Mutex<[String: RendezvousServer]>([:])

/// The address where a group meets and the secret that its processes share, as text.
private struct Identity: LosslessStringConvertible {
    let address: SocketAddress
    let secret: RendezvousSecret

    var description: String { "\(address) \(secret.text)" }

    init(_ address: SocketAddress, _ secret: RendezvousSecret) { (self.address, self.secret) = (address, secret) }

    init?(_ description: String) {
        let parts = description.split(separator: " ")
        guard parts.count == 2, let address = SocketAddress(String(parts[0])),
            let secret = RendezvousSecret(String(parts[1]))
        else { return nil }
        (self.address, self.secret) = (address, secret)
    }
}

extension GroupObject {
    /// The group with this number.
    static func find(_ number: swiftep_group) throws(ABIError) -> GroupObject {
        try Handles.find(number, GroupObject.self, "group")
    }
}

@c @implementation
public func swiftep_group_identify(
    _ processes: UInt32, _ identity: UnsafeMutablePointer<CChar>!, _ bytes: Int
) -> swiftep_result {
    attempt { try begin(processes, host: "127.0.0.1", identity, bytes) }
}

@c @implementation
public func swiftep_group_identify_at(
    _ host: UnsafePointer<CChar>!, _ processes: UInt32, _ identity: UnsafeMutablePointer<CChar>!, _ bytes: Int
) -> swiftep_result {
    attempt {
        guard let host else { throw ABIError.null("host") }
        try begin(processes, host: String(cString: host), identity, bytes)
    }
}

/// Begins a group whose processes meet at a free port of `host`, and writes its identity.
private func begin(
    _ processes: UInt32, host: String, _ identity: UnsafeMutablePointer<CChar>?, _ bytes: Int
) throws {
    let target = try require(identity, "identity")
    let processes = try Choices.count("processes", processes)
    guard !host.isEmpty, !host.contains(where: \.isWhitespace) else {
        throw ABIError.value("host", given: "\"\(host)\"", choices: "a name or number of this machine")
    }
    let secret = RendezvousSecret()
    let server = try RendezvousServer(processes: processes, secret: secret, at: .tcp(host: host, port: 0))
    let text = "\(Identity(server.address, secret))"
    guard text.utf8.count < bytes else {
        throw ABIError.room("the identity", bytes: bytes, needed: text.utf8.count + 1)
    }
    text.withCString { _ = strcpy(target, $0) }
    begun.withLock { $0[text] = server }
}

@c @implementation
public func swiftep_group_join(
    _ device: swiftep_device, _ identity: UnsafePointer<CChar>!, _ process: UInt32, _ processes: UInt32,
    _ ranks: UInt32, _ seconds: Double, _ group: UnsafeMutablePointer<swiftep_group>!
) -> swiftep_result {
    attempt {
        let object = try DeviceObject.find(device)
        _ = try require(group, "group")
        guard let identity else { throw ABIError.null("identity") }
        let text = String(cString: identity)
        guard let place = Identity(text) else { throw ABIError.identity(text) }
        let (processes, ranks) = (try Choices.count("processes", processes), try Choices.count("ranks", ranks))
        guard process < processes, ranks % processes == 0 else {
            throw ABIError.value(
                "process", given: "\(process) of \(processes) with \(ranks) ranks",
                choices: "0 to \(processes - 1), and ranks that are a multiple of the processes")
        }
        let seconds = try Choices.seconds(seconds)
        // Kept by the group once it is there.
        let server = begun.withLock { $0.removeValue(forKey: text) }
        let rendezvous = try Rendezvous(
            process: Int(process), of: processes, secret: place.secret, at: place.address, policy: .goOn,
            within: seconds)
        // Other processes write to its memory while it runs.
        (object.device as? SimulatedDevice)?.followHostClock()
        let joined = try ProcessGroup(rendezvous, ranks: ranks, device: object.device, within: seconds)
        try write(
            Handles.keep(
                GroupObject(object, ranks: ranks, processes: joined, server: server, patience: seconds)),
            to: group, "group")
    }
}

@c @implementation
public func swiftep_group_local(
    _ device: swiftep_device, _ ranks: UInt32, _ group: UnsafeMutablePointer<swiftep_group>!
) -> swiftep_result {
    attempt {
        let object = try DeviceObject.find(device)
        _ = try require(group, "group")
        let ranks = try Choices.count("ranks", ranks)
        try write(Handles.keep(GroupObject(object, ranks: ranks)), to: group, "group")
    }
}

@c @implementation
public func swiftep_group_describe(
    _ group: swiftep_group, _ info: UnsafeMutablePointer<swiftep_group_info>!
) -> swiftep_result {
    attempt {
        let object = try GroupObject.find(group)
        var result = swiftep_group_info()
        result.ranks = UInt32(object.ranks)
        result.processes = UInt32(object.processes?.rendezvous.processes ?? 1)
        result.process = UInt32(object.processes?.rendezvous.process ?? 0)
        result.first_rank = UInt32(object.localRanks.lowerBound)
        result.local_ranks = UInt32(object.localRanks.count)
        result.ranks_on_device = UInt32(object.ranksOnDevice)
        result.devices = UInt32(object.processes?.extent.devices ?? 1)
        try writeStructure(result, to: info, "the group's description")
    }
}

@c @implementation
public func swiftep_group_network(
    _ group: swiftep_group, _ network: UInt32, _ ranksPerNode: UInt32
) -> swiftep_result {
    attempt {
        let object = try GroupObject.find(group)
        let network = try Choices.network(network)
        if case .nvshmem = network, ranksPerNode == 0 { return try object.useNVSHMEM(ranksPerNode: nil) }
        let ranks = try Choices.count("ranks_per_node", ranksPerNode)
        switch network {
        case .none: object.setNetwork(nil)
        case .adapter(let adapter): object.setNetwork(GroupNetwork(adapter, ranksPerNode: ranks))
        case .nvshmem: try object.useNVSHMEM(ranksPerNode: ranks)
        }
    }
}

@c @implementation
public func swiftep_group_barrier(_ group: swiftep_group, _ seconds: Double) -> swiftep_result {
    attempt { try GroupObject.find(group).processes?.rendezvous.barrier("a barrier", within: Choices.seconds(seconds)) }
}

@c @implementation
public func swiftep_group_close(_ group: swiftep_group, _ seconds: Double) -> swiftep_result {
    attempt {
        let object = try GroupObject.find(group)
        try object.close(within: Choices.seconds(seconds))
        try Handles.drop(group, GroupObject.self, "group")
    }
}
