import Accelerator
import ExpertKernels
import ExpertParallel
import KernelLanguage
import Transport

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

/// The processes that a command runs in, as each of them sees it: often it is the only one.
final class Processes {
    /// The group of the processes; nil where this one is alone.
    let group: ProcessGroup?
    /// The device of this process's ranks.
    let device: any Device
    /// Ranks of all processes.
    let ranks: Int
    /// The engine that reaches ranks of other nodes, where that is NVSHMEM.
    private let engine: NVSHMEMEngine?

    /// Seconds that processes wait for each other on the host: others may be reading a checkpoint, or computing a
    /// reference.
    static let patience = 600.0

    /// Whether this process takes the place of one that was lost.
    let isReturning: Bool

    /// Finds the others, if there are any.
    ///
    /// - Parameters:
    ///   - rendezvous: The rendezvous with the others; nil when it is alone.
    ///   - ranks: Ranks of all processes.
    ///   - arguments: Arguments of the command, the same in all processes.
    init(_ rendezvous: Rendezvous?, ranks: Int, device: any Device, _ arguments: Arguments) throws {
        self.device = device
        self.ranks = ranks
        let isReturning = ProcessInfo.processInfo.environment[Launcher.returnVariable] != nil
        self.isReturning = isReturning
        group = try rendezvous.map { rendezvous in
            try ProcessGroup(
                rendezvous, ranks: ranks, device: device, returning: isReturning,
                agreeing: [
                    ("the version of swiftep", Root.version), ("the device", device.properties.kind.name(device)),
                ]
                    + arguments.described, within: isReturning ? Self.patience : 60)
        }
        engine = try RankTransport.startEngine(arguments, group, on: device)
    }

    /// Leaves the group, when all work is done.
    func leave() throws {
        try engine?.end(within: Self.patience)
        try group?.leave(within: Self.patience)
    }

    /// The number of this process.
    var index: Int { group?.rendezvous.process ?? 0 }
    /// The number of processes.
    var count: Int { group?.rendezvous.processes ?? 1 }
    /// Whether this process reports: the first of those that were never lost, on which all agree.
    var isFirst: Bool {
        !isReturning && index == (0..<count).first { !absent.contains($0) && !returned.contains($0) }
    }
    /// Whether this process makes files for those of its machine.
    var isFirstOfHost: Bool {
        guard let group, group.extent.hosts > 1 else { return isFirst }
        return index == group.firstOfHost
    }
    /// Processes that have gone, on which all others agree: they learn it from the same collectives.
    private(set) var absent: Set<Int> = []
    /// Processes that had gone and have been readmitted.
    private var returned: Set<Int> = []
    /// Ranks of processes that have gone.
    var absentRanks: Set<Int> { Set(absent.flatMap { group?.ranks(of: $0) ?? 0..<0 }) }
    /// The ranks of this process.
    var localRanks: Range<Int> { group?.localRanks ?? 0..<ranks }
    /// Ranks that share the device of this process.
    var ranksOnDevice: Int { group?.ranksOnDevice ?? ranks }

    /// The ranks of this process, connected to the others.
    func makeGroup(_ configuration: GroupConfiguration) throws -> RankGroup {
        guard let group else { return try RankGroup(device: device, configuration: configuration) }
        var configuration = configuration
        configuration.network = network(configuration.network)
        return try RankGroup(
            processes: group, configuration: configuration, network: configuration.network == nil ? nil : engine,
            without: absentRanks)
    }

    /// A network with the nodes that these processes are on.
    private func network(_ network: GroupNetwork?) -> GroupNetwork? {
        guard let engine, var network else { return network }
        network.ranksPerNode = engine.ranksPerNode
        return network
    }

    /// A network in words; nil for none.
    func description(of network: GroupNetwork?) -> String? {
        guard let text = self.network(network)?.description else { return nil }
        return engine.map { "NVSHMEM \($0.version), \(text)" } ?? text
    }

    /// The elements of this process's ranks, of a list of all ranks'.
    func local<Element>(_ all: [Element]) -> [Element] { Array(all[localRanks]) }

    /// Notes that a process has come back, which does not know of the time before.
    func takeIn(_ process: Int) { returned.insert(process) }

    /// Prints the progress, once for all processes.
    func progress(_ text: @autoclosure () -> String) {
        if isFirst { Console.progress(text()) }
    }

    /// Returns when all processes have come here.
    func meet(_ what: String) throws { _ = try gather(bytes: [], what) }

    /// The values of all processes, in order; nil for those that have gone.
    func gather<Value: Codable>(_ what: String, _ value: Value) throws -> [Value?] {
        try gather(bytes: Array(JSONEncoder().encode(value)), what).enumerated().map { process, bytes in
            guard let bytes else { return nil }
            guard let value = try? JSONDecoder().decode(Value.self, from: Data(bytes)) else {
                throw TransportError.malformed(from: process, what: what)
            }
            return value
        }
    }

    /// The bytes of all processes, in order; nil for those that have gone.
    func gather(bytes: [UInt8], _ what: String) throws -> [[UInt8]?] {
        guard let group else { return [bytes] }
        let parts = try group.rendezvous.gather(what, bytes, within: Self.patience)
        absent = Set(parts.indices.filter { parts[$0] == nil })
        return parts
    }

    /// The outputs of all ranks, in order, given those of this process's; empty for ranks of processes that have gone.
    func gather(outputs: [[BFloat16]]) throws -> [[BFloat16]] {
        guard let group else { return outputs }
        // Every process has as many ranks; their numbers of elements are exchanged first.
        let counts = try gather("the sizes of outputs", outputs.map(\.count))
        let bytes = outputs.joined().flatMap { [UInt8(truncatingIfNeeded: $0.bits), UInt8($0.bits >> 8)] }
        let parts = try gather(bytes: bytes, "outputs")
        var result: [[BFloat16]] = []
        for (process, part) in parts.enumerated() {
            guard let part, let counts = counts[process] else {
                result += [[BFloat16]](repeating: [], count: group.ranksPerProcess)
                continue
            }
            guard part.count == counts.reduce(0, +) * 2 else {
                throw TransportError.malformed(from: process, what: "outputs")
            }
            var place = 0
            for count in counts {
                result.append(
                    (0..<count).map {
                        BFloat16(bits: UInt16(part[place + 2 * $0]) | UInt16(part[place + 2 * $0 + 1]) << 8)
                    })
                place += count * 2
            }
        }
        return result
    }

    /// The observations of all processes together.
    func gather(_ observed: ObservedExperts) throws -> ObservedExperts {
        guard group != nil else { return observed }
        var all = ObservedExperts()
        for (process, bytes) in try gather(bytes: observed.encoded, "observed rows").enumerated() {
            guard let bytes else { continue }
            guard let part = ObservedExperts(encoded: bytes) else {
                throw TransportError.malformed(from: process, what: "observed rows")
            }
            all.add(part)
        }
        return all
    }
}

extension DeviceProperties.Kind {
    /// The device's name that must be the same in all processes.
    fileprivate func name(_ device: any Device) -> String {
        switch self {
        case .cuda: device.properties.name
        case .simulator: "the simulator"
        }
    }
}
