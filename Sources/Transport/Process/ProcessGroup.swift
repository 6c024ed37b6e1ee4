import Accelerator
import Synchronization

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif
#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#elseif canImport(Darwin)
    import Darwin
#endif

/// The processes that share the ranks of a group: each has the same number of consecutive ranks.
///
/// Processes meet through a `Rendezvous`, and get each other's windows straight from one another: as descriptors, which
/// need a common machine. All waits have deadlines.
public final class ProcessGroup: Sendable {
    /// The way to the other processes.
    public let rendezvous: Rendezvous
    /// Ranks of the group.
    public let ranks: Int
    /// The device of this process's ranks.
    public let device: any Device

    let windows: WindowServer
    private let members: Mutex<[ProcessMember]>
    /// The number of barriers that each rank of this process has come to.
    private let arrivals: Mutex<[Int]>
    private let passed = Mutex(0)
    /// Groups of ranks made so far.
    private let groups = Mutex(0)
    private let agreed: [ProcessMember.Agreed]

    /// Learns the members of the group. All processes do so together.
    ///
    /// - Parameters:
    ///   - rendezvous: The rendezvous that this process has joined.
    ///   - ranks: Ranks of the group, a multiple of the processes.
    ///   - device: The device of this process's ranks.
    ///   - returning: Whether this process has been started again in place of one that was lost: then it waits until
    ///     the others call `readmit`.
    ///   - agreeing: Values that must be the same in all processes, with names for errors: sizes, formats, options.
    ///   - seconds: How long to wait for the others.
    /// - Throws: `TransportError.disagreement`, in every process, when a value is not the same; `.unevenRanks`; the
    ///   errors of `Rendezvous`.
    public init(
        _ rendezvous: Rendezvous, ranks: Int, device: any Device, returning: Bool = false,
        agreeing: [(name: String, value: String)] = [], within seconds: Double = 60
    ) throws {
        guard ranks > 0 else { throw TransportError.groupSize(ranks) }
        guard ranks % rendezvous.processes == 0 else {
            throw TransportError.unevenRanks(ranks: ranks, processes: rendezvous.processes)
        }
        (self.rendezvous, self.ranks, self.device) = (rendezvous, ranks, device)
        let environment = ProcessInfo.processInfo.environment
        windows = try WindowServer(Self.windowAddress(environment), secret: rendezvous.secret)
        agreed =
            [
                .init(name: "the number of ranks", value: "\(ranks)"),
                .init(name: "the byte order", value: Int(littleEndian: 1) == 1 ? "little" : "big"),
                .init(name: "the kind of device", value: device.properties.kind.rawValue),
            ] + agreeing.map { .init(name: $0.name, value: $0.value) }
        arrivals = Mutex([Int](repeating: 0, count: ranks / rendezvous.processes))
        members = Mutex([])
        windows.start()
        let own = ProcessMember(
            host: hostIdentity(environment), device: device.properties.uniqueID, pid: getpid(),
            windows: windows.address.description, agreed: agreed)
        if returning {
            try exchange(own, afterReturnOf: rendezvous.process, within: seconds)
        } else {
            let parts = try rendezvous.gather("its start", Array(JSONEncoder().encode(own)), within: seconds)
            try learn(parts)
        }
    }

    deinit { windows.stop() }

    /// The variable of the environment that names a directory for sockets. Without it they are abstract sockets, which
    /// containers with a network namespace of their own do not share.
    public static let socketDirectory = "SWIFTEP_SOCKET_DIRECTORY"

    /// Ranks of each process.
    public var ranksPerProcess: Int { ranks / rendezvous.processes }
    /// The ranks of this process.
    public var localRanks: Range<Int> { ranks(of: rendezvous.process) }

    /// The ranks of a process.
    public func ranks(of process: Int) -> Range<Int> {
        process * ranksPerProcess..<(process + 1) * ranksPerProcess
    }

    /// The process of a rank.
    public func process(of rank: Int) -> Int { rank / ranksPerProcess }

    /// The number of the group's ranks on the device of this process.
    public var ranksOnDevice: Int {
        members.withLock { members in
            members.count { $0.device == device.properties.uniqueID && $0.host == members[rendezvous.process].host }
        } * ranksPerProcess
    }

    /// The numbers of machines and devices of the group.
    public var extent: (hosts: Int, devices: Int) {
        members.withLock { members in
            (Set(members.map(\.host)).count, Set(members.map { [$0.host, $0.device] }).count)
        }
    }

    /// The first process on the machine of this one.
    public var firstOfHost: Int {
        members.withLock { members in
            members.firstIndex { $0.host == members[rendezvous.process].host } ?? rendezvous.process
        }
    }

    /// The number of consecutive ranks of each machine; nil unless it is the same for all.
    public var ranksPerHost: Int? {
        Self.processesPerHost(members.withLock { $0.map(\.host) }).map { $0 * ranksPerProcess }
    }

    /// The number of consecutive places that each host has in a list; nil unless it is the same for all.
    package static func processesPerHost(_ hosts: [String]) -> Int? {
        let count = hosts.prefix { $0 == hosts.first }.count
        let isEven = hosts.indices.allSatisfy { hosts[$0] == hosts[$0 / count * count] }
        return isEven && Set(hosts).count * count == hosts.count ? count : nil
    }

    /// Transports of this process's ranks, in order. Processes make those of a group of ranks in the same order;
    /// windows of each are its own.
    public func transports() -> [ProcessTransport] {
        let number = groups.withLock { number in
            number += 1
            return number
        }
        return localRanks.map { ProcessTransport(rank: $0, of: self, number: number) }
    }

    /// Returns when all processes are done with each other's windows, and releases this one's. Ranks and layers must be
    /// gone by then.
    ///
    /// - Throws: `TransportError.missingProcesses` when the time is over; `.lostProcesses`.
    public func leave(within seconds: Double = 60) throws {
        try rendezvous.barrier("the end", within: seconds)
        windows.stop()
        rendezvous.leave()
    }

    func member(_ process: Int) -> ProcessMember { members.withLock { $0[process] } }

    /// Waits until a process that was lost has been started again, and learns the address of its windows. All processes
    /// that are left call it, and the one that comes back.
    ///
    /// - Throws: `TransportError.missingProcesses` when the time is over, `.disagreement`.
    public func readmit(_ process: Int, within seconds: Double) throws {
        let deadline = Deadline(seconds: seconds)
        while rendezvous.lost[process] != nil {
            guard !deadline.isOver else {
                throw TransportError.missingProcesses([process], what: "the group again", seconds: seconds)
            }
            usleep(10_000)
        }
        try exchange(member(rendezvous.process), afterReturnOf: process, within: Double(deadline.milliseconds) / 1e3)
    }

    /// Tells all others of this process, and learns of them, when one has come back.
    private func exchange(_ own: ProcessMember, afterReturnOf process: Int, within seconds: Double) throws {
        try learn(rendezvous.gather(Array(JSONEncoder().encode(own)), takingIn: process, within: seconds))
    }

    /// Takes over the members' descriptions of themselves; those of lost processes stay.
    private func learn(_ parts: [[UInt8]?]) throws {
        let known = members.withLock { $0 }
        let all = try parts.enumerated().map { process, bytes in
            if let bytes, let member = try? JSONDecoder().decode(ProcessMember.self, from: Data(bytes)) {
                return member
            }
            if bytes == nil {
                // A process that has come back does not know those that are still lost.
                return known.indices.contains(process) ? known[process] : .gone
            }
            throw TransportError.malformed(from: process, what: "a word on itself")
        }
        members.withLock { $0 = all }
        try Self.requireAgreement(all)
    }

    /// A barrier of all ranks, which this one has come to.
    func barrier(of rank: Int, within seconds: Double) throws {
        let index = rank - localRanks.lowerBound
        let (mine, isLast) = arrivals.withLock { arrivals in
            arrivals[index] += 1
            return (arrivals[index], arrivals.allSatisfy { $0 >= arrivals[index] })
        }
        // A rank that gave up counts as absent, and may come again.
        func withdraw() { if passed.withLock({ $0 }) < mine { arrivals.withLock { $0[index] -= 1 } } }
        if isLast {
            do {
                try rendezvous.barrier(within: seconds)
            } catch {
                withdraw()
                throw error
            }
            passed.withLock { $0 = max($0, mine) }
            return
        }
        let deadline = Deadline(seconds: seconds)
        while passed.withLock({ $0 }) < mine {
            guard !deadline.isOver else {
                let missing = arrivals.withLock { arrivals in
                    localRanks.filter { arrivals[$0 - localRanks.lowerBound] < mine }
                }
                withdraw()
                throw TransportError.missingRanks(missing, what: "a barrier", seconds: seconds)
            }
            usleep(200)
        }
    }

    // MARK: Members

    /// Every process sees the same members, so all throw or none does.
    private static func requireAgreement(_ members: [ProcessMember]) throws(TransportError) {
        let present = members.indices.filter { members[$0] != .gone }
        guard let reference = present.first else { return }
        var all: [TransportError.Disagreement] = []
        for process in present {
            for name in members[reference].agreed.map(\.name) + members[process].agreed.map(\.name) {
                let (expected, found) = (members[reference].value(name), members[process].value(name))
                let difference = TransportError.Disagreement(
                    name: name, expected: expected, of: reference, found: found, in: process)
                if expected != found, !all.contains(difference) { all.append(difference) }
            }
        }
        if !all.isEmpty { throw .disagreement(all) }
    }

    /// An abstract socket, or one in the directory that is named: containers that share it need not share more.
    private static func windowAddress(_ environment: [String: String]) -> SocketAddress {
        let name = "swiftep-\(getpid())-\(String(UInt64.random(in: 0 ... .max), radix: 16))"
        if let directory = environment[socketDirectory] { return .unix("\(directory)/\(name)") }
        #if canImport(Darwin)
            return .unix("/tmp/\(name)")
        #else
            return .unix("@\(name)")
        #endif
    }
}
