import Accelerator
import ExpertParallel
import Transport

/// A group of ranks of which this process has some.
final class GroupObject {
    let device: DeviceObject
    let ranks: Int
    /// nil where all ranks are in this process.
    let processes: ProcessGroup?
    /// Kept by the process that began the group.
    private let server: RendezvousServer?
    /// Transports of what ranks make one after the other: windows of each have names of their own.
    private var transports: [[any Transport]] = []
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

    /// The transport of what `rank` makes next.
    func nextTransport(of rank: Int) throws -> any Transport {
        guard localRanks.contains(rank) else { throw ABIError.foreignRank(rank, local: localRanks) }
        let place = rank - localRanks.lowerBound
        while transports.count <= made[place] {
            transports.append(try processes?.transports() ?? LocalTransport.group(ranks: ranks))
        }
        defer { made[place] += 1 }
        return transports[made[place]][place]
    }

    /// Leaves, when everything that ranks have made is gone.
    func close(within seconds: Double) throws {
        transports = []
        try processes?.leave(within: seconds)
    }
}
