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
    /// What this process has in common with the others; nil where it is alone.
    let group: ProcessGroup?
    /// The device of this process's ranks.
    let device: any Device
    /// Ranks of all processes.
    let ranks: Int

    /// Seconds that processes wait for each other on the host: others may be reading a checkpoint, or computing a
    /// reference.
    static let patience = 600.0

    /// Finds the others, if there are any.
    ///
    /// - Parameters:
    ///   - rendezvous: Where it has met the others; nil when it is alone.
    ///   - ranks: Of all processes.
    ///   - arguments: Of the command, the same in all processes.
    init(_ rendezvous: Rendezvous?, ranks: Int, device: any Device, _ arguments: Arguments) throws {
        self.device = device
        self.ranks = ranks
        group = try rendezvous.map { rendezvous in
            try ProcessGroup(
                rendezvous, ranks: ranks, device: device,
                agreeing: [
                    ("the version of swiftep", Root.version), ("the device", device.properties.kind.name(device)),
                ]
                    + arguments.described)
        }
    }

    /// The number of this process.
    var index: Int { group?.rendezvous.process ?? 0 }
    /// How many there are.
    var count: Int { group?.rendezvous.processes ?? 1 }
    /// Whether this one reports.
    var isFirst: Bool { index == 0 }
    /// The ranks of this process.
    var localRanks: Range<Int> { group?.localRanks ?? 0..<ranks }
    /// Ranks that share the device of this process.
    var ranksOnDevice: Int { group?.ranksOnDevice ?? ranks }

    /// The ranks of this process, connected to the others.
    func makeGroup(_ configuration: GroupConfiguration) throws -> RankGroup {
        guard let group else { return try RankGroup(device: device, configuration: configuration) }
        return try RankGroup(processes: group, configuration: configuration)
    }

    /// What this process's ranks have of a list of all ranks'.
    func local<Element>(_ all: [Element]) -> [Element] { Array(all[localRanks]) }

    /// Returns when all processes have come here.
    func meet(_ what: String) throws { try group?.rendezvous.barrier(what, within: Self.patience) }

    /// What every process has, in order.
    func gather<Value: Codable>(_ what: String, _ value: Value) throws -> [Value] {
        guard let group else { return [value] }
        let parts = try group.rendezvous.gather(
            what, Array(JSONEncoder().encode(value)), within: Self.patience)
        return try parts.enumerated().map { process, bytes in
            guard let bytes, let value = try? JSONDecoder().decode(Value.self, from: Data(bytes)) else {
                throw TransportError.malformed(from: process, what: what)
            }
            return value
        }
    }

    /// The bytes that every process has, in order.
    func gather(bytes: [UInt8], _ what: String) throws -> [[UInt8]] {
        guard let group else { return [bytes] }
        return try group.rendezvous.gather(what, bytes, within: Self.patience).enumerated().map { process, bytes in
            guard let bytes else { throw TransportError.malformed(from: process, what: what) }
            return bytes
        }
    }

    /// The outputs of all ranks, in order, given those of this process's.
    func gather(outputs: [[BFloat16]]) throws -> [[BFloat16]] {
        guard group != nil else { return outputs }
        // Every process has as many ranks; how many elements each has is said first.
        let counts = try gather("the sizes of outputs", outputs.map(\.count))
        let bytes = outputs.joined().flatMap { [UInt8(truncatingIfNeeded: $0.bits), UInt8($0.bits >> 8)] }
        let parts = try gather(bytes: bytes, "outputs")
        var result: [[BFloat16]] = []
        for (process, part) in parts.enumerated() {
            guard part.count == counts[process].reduce(0, +) * 2 else {
                throw TransportError.malformed(from: process, what: "outputs")
            }
            var place = 0
            for count in counts[process] {
                result.append(
                    (0..<count).map {
                        BFloat16(bits: UInt16(part[place + 2 * $0]) | UInt16(part[place + 2 * $0 + 1]) << 8)
                    })
                place += count * 2
            }
        }
        return result
    }

    /// What all processes have observed together.
    func gather(_ observed: ObservedExperts) throws -> ObservedExperts {
        guard group != nil else { return observed }
        var all = ObservedExperts()
        for (process, bytes) in try gather(bytes: observed.encoded, "observed rows").enumerated() {
            guard let part = ObservedExperts(encoded: bytes) else {
                throw TransportError.malformed(from: process, what: "observed rows")
            }
            all.add(part)
        }
        return all
    }
}

extension DeviceProperties.Kind {
    /// What must be the same device in all processes.
    fileprivate func name(_ device: any Device) -> String {
        switch self {
        case .cuda: device.properties.name
        case .simulator: "the simulator"
        }
    }
}
