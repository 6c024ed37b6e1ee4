import Accelerator
import ExpertParallel
import NVSHMEM
import Transport

/// A group of ranks of which this process has some.
final class GroupObject {
    let device: DeviceObject
    let ranks: Int
    /// nil where all ranks are in this process.
    let processes: ProcessGroup?
    /// How layers that are made next reach ranks of other nodes; nil where all ranks are of one.
    private(set) var network: GroupNetwork?
    /// NVSHMEM, once it has been asked for.
    private var engine: NVSHMEMEngine?
    /// Whether layers that are made next use it.
    private var usesEngine = false
    /// Seconds that processes wait for each other.
    private let patience: Double
    /// Kept by the process that began the group.
    private let server: RendezvousServer?
    /// Transports of the objects that ranks make one after the other, whose windows have names of their own: by the
    /// number of objects made before, those not taken yet, by the rank's place in the process.
    private var transports: [Int: [Int: any Transport]] = [:]
    /// The number of objects that each rank of this process has made.
    private var made: [Int]

    init(
        _ device: DeviceObject, ranks: Int, processes: ProcessGroup? = nil, server: RendezvousServer? = nil,
        patience: Double = 60
    ) {
        (self.device, self.ranks, self.processes, self.server) = (device, ranks, processes, server)
        self.patience = patience
        made = [Int](repeating: 0, count: processes?.ranksPerProcess ?? ranks)
    }

    /// The ranks of this process.
    var localRanks: Range<Int> { processes?.localRanks ?? 0..<ranks }
    /// Ranks of the group on this process's device.
    var ranksOnDevice: Int { processes?.ranksOnDevice ?? ranks }

    /// Has layers that are made next reach ranks of other nodes by an adapter, or by loads and stores alone.
    func setNetwork(_ network: GroupNetwork?) { (self.network, usesEngine) = (network, false) }

    /// Has layers that are made next reach ranks of other nodes by NVSHMEM, which is started the first time. All
    /// processes do it together.
    ///
    /// - Parameter ranksPerNode: nil for the choice of `NVSHMEMEngine`.
    func useNVSHMEM(ranksPerNode: Int?) throws {
        guard device.device.properties.kind == .cuda else {
            throw NVSHMEMError.needsGPU(device: device.device.properties.name)
        }
        guard let processes else { throw NVSHMEMError.needsProcesses }
        let started = try engine ?? NVSHMEMEngine(processes, ranksPerNode: ranksPerNode, within: patience)
        engine = started
        guard ranksPerNode == nil || ranksPerNode == started.ranksPerNode else {
            throw ABIError.value(
                "ranks_per_node", given: "\(ranksPerNode ?? 0)",
                choices: "\(started.ranksPerNode), with which NVSHMEM was started")
        }
        (network, usesEngine) = (GroupNetwork(.engine, ranksPerNode: started.ranksPerNode), true)
    }

    /// Makes the next object of `rank`, with its transport. When that fails, the next try takes its number.
    func make<Made>(_ rank: Int, _ body: (any Transport) throws -> Made) throws -> Made {
        guard localRanks.contains(rank) else { throw ABIError.foreignRank(rank, local: localRanks) }
        let (place, number) = (rank - localRanks.lowerBound, made[rank - localRanks.lowerBound])
        if transports[number] == nil {
            let all: [any Transport] =
                try usesEngine
                ? engine?.transports() ?? [] : processes?.transports() ?? LocalTransport.group(ranks: ranks)
            transports[number] = Dictionary(uniqueKeysWithValues: zip(0..., all))
        }
        guard let transport = transports[number]?[place] else { preconditionFailure("a rank takes its own once") }
        let result: Made
        do {
            result = try body(transport)
        } catch {
            // Windows that have been made stay in the symmetric heap; the next try makes others.
            if usesEngine, !made.contains(where: { $0 > number }) { transports[number] = nil }
            throw error
        }
        made[place] += 1
        // The object keeps its transport, and releases its windows.
        transports[number]?[place] = nil
        if made.allSatisfy({ $0 > number }) { transports[number] = nil }
        return result
    }

    /// Leaves the group, when all objects of its ranks are gone.
    func close(within seconds: Double) throws {
        transports = [:]
        if let engine {
            guard engine.groupsInUse == 0 else { throw NVSHMEMError.inUse(engine.groupsInUse) }
            try engine.end(within: seconds)
        }
        try processes?.leave(within: seconds)
    }
}
