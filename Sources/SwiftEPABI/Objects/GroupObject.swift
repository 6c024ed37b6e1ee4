import Accelerator
import ExpertParallel
import Transport

/// A group of ranks of which this process has some.
final class GroupObject {
    let device: DeviceObject
    let ranks: Int
    /// nil where all ranks are in this process.
    let processes: ProcessGroup?
    /// How layers that are made next reach ranks of other nodes; nil where all ranks are of one.
    var network: GroupNetwork?
    /// Kept by the process that began the group.
    private let server: RendezvousServer?
    /// Transports of what ranks make one after the other, windows of each have names of their own: by how much a rank has
    /// made before, those that nobody has taken yet.
    private var transports: [Int: [Int: any Transport]] = [:]
    /// How much each rank of this process has made.
    private var made: [Int]

    init(_ device: DeviceObject, ranks: Int, processes: ProcessGroup? = nil, server: RendezvousServer? = nil) {
        (self.device, self.ranks, self.processes, self.server) = (device, ranks, processes, server)
        made = [Int](repeating: 0, count: processes?.ranksPerProcess ?? ranks)
    }

    /// The ranks of this process.
    var localRanks: Range<Int> { processes?.localRanks ?? 0..<ranks }
    /// Ranks of the group on this process's device.
    var ranksOnDevice: Int { processes?.ranksOnDevice ?? ranks }

    /// Makes what `rank` makes next, with its transport. When that fails, the next try is in its place.
    func make<Made>(_ rank: Int, _ body: (any Transport) throws -> Made) throws -> Made {
        guard localRanks.contains(rank) else { throw ABIError.foreignRank(rank, local: localRanks) }
        let (place, number) = (rank - localRanks.lowerBound, made[rank - localRanks.lowerBound])
        if transports[number] == nil {
            let all: [any Transport] = try processes?.transports() ?? LocalTransport.group(ranks: ranks)
            transports[number] = Dictionary(uniqueKeysWithValues: zip(0..., all))
        }
        guard let transport = transports[number]?[place] else { preconditionFailure("a rank takes its own once") }
        let result = try body(transport)
        made[place] += 1
        // Whoever has it keeps it, and lets go of its windows.
        transports[number]?[place] = nil
        if made.allSatisfy({ $0 > number }) { transports[number] = nil }
        return result
    }

    /// Leaves, when everything that ranks have made is gone.
    func close(within seconds: Double) throws {
        transports = [:]
        try processes?.leave(within: seconds)
    }
}
