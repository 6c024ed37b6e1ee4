import Accelerator
import ExpertKernels
import Transport

/// The ranks of a group that are in this process, driven from one thread: all of them, or where processes share the
/// group some that follow one another.
public final class RankGroup {
    /// The ranks, in order.
    public let ranks: [ExpertRank]
    /// The processes that share the group; nil where all ranks are here.
    public let processes: ProcessGroup?

    /// Makes all ranks of a group on one device.
    ///
    /// - Throws: `GroupError` when the configuration could not be resident or fits no kernel; `DeviceError` when memory
    ///   runs out.
    public convenience init(device: any Device, configuration: GroupConfiguration) throws {
        try configuration.validate(on: device.properties)
        let transports = try LocalTransport.group(ranks: configuration.shape.ranks)
        try self.init(
            transports.map { try ExpertRank(device: device, configuration: configuration, transport: $0) })
    }

    /// Makes a group of existing ranks, all of them in order, and connects them.
    ///
    /// - Throws: `GroupError.notAllRanks` unless they are all ranks of one configuration in order; `TransportError`.
    public convenience init(_ ranks: [ExpertRank]) throws { try self.init(ranks, processes: nil) }

    /// Makes the ranks of this process, of a group that processes share, and connects them. All processes do it at the
    /// same time.
    ///
    /// - Parameters:
    ///   - processes: The processes, which share out the ranks.
    ///   - configuration: The same in all of them.
    ///   - network: The engine that reaches ranks of other nodes, where `GroupConfiguration.network` asks for one on
    ///     GPUs.
    ///   - missing: Ranks that have gone; see ``ExpertRank/connect(without:within:)``.
    /// - Throws: As the other initialisers; `TransportError` when ranks of other processes do not come.
    public convenience init(
        processes: ProcessGroup, configuration: GroupConfiguration, network: NVSHMEMEngine? = nil,
        without missing: Set<Int> = []
    ) throws {
        try configuration.validate(on: processes.device.properties)
        let transports: [any Transport] = try network?.transports() ?? processes.transports()
        try self.init(
            transports.map {
                try ExpertRank(device: processes.device, configuration: configuration, transport: $0)
            }, processes: processes, without: missing)
    }

    private init(_ ranks: [ExpertRank], processes: ProcessGroup?, without missing: Set<Int> = []) throws {
        guard let first = ranks.first,
            ranks.map(\.index) == Array(processes?.localRanks ?? 0..<first.configuration.shape.ranks),
            ranks.allSatisfy({ $0.configuration == first.configuration })
        else { throw GroupError.notAllRanks(ranks.map(\.index)) }
        self.ranks = ranks
        self.processes = processes
        for rank in ranks { try rank.connect(without: missing) }
    }

    /// Shape and split.
    public var configuration: GroupConfiguration { ranks[0].configuration }
    /// The device of the first rank.
    public var device: any Device { ranks[0].device }

    /// Resets the group after a failed step to its state before the first one. Poll statistics start anew as well. All
    /// processes of the group do so together.
    ///
    /// - Parameter seconds: How long to wait for other processes.
    /// - Throws: `TransportError.missingProcesses` when the time is over, `.lostProcesses`; `DeviceError`.
    public func reset(within seconds: Double = 60) throws {
        // No rank may write to a window while it is cleared, nor before all have been.
        for rank in ranks { try rank.stop() }
        try processes?.rendezvous.barrier("a reset", within: seconds)
        for rank in ranks { try rank.clear() }
        try processes?.rendezvous.barrier("a reset", within: seconds)
        for rank in ranks { rank.restart() }
    }

    /// The numbers of the ranks in ``ranks``.
    public var indices: Range<Int> { processes?.localRanks ?? 0..<ranks.count }

    /// Copies the inputs of a step to the device. Nothing of the group may be running.
    ///
    /// - Throws: `GroupError` naming the first value that is out of range; nothing is copied then.
    public func load(_ inputs: [RankInput]) throws {
        try requireOnePerRank(inputs)
        for (rank, input) in zip(ranks, inputs) { try input.validate(rank: rank.index, configuration) }
        for (rank, input) in zip(ranks, inputs) { try rank.load(input) }
    }

    /// Waits for all enqueued work of the group.
    ///
    /// - Throws: `GroupError.waitTimedOut` when a kernel gave up waiting; the group must then be `reset()`.
    public func synchronize() throws {
        try failing {
            // Waits that timed out later may have been for the first rank that did.
            let faults = try ranks.compactMap { try $0.completedFault() }.sorted { $0.time < $1.time }
            if let first = faults.first {
                throw GroupError.waitTimedOut(
                    first, seconds: configuration.waitLimit, others: Array(faults.dropFirst()))
            }
        }
    }

    /// The statistics of all ranks together; see ``ExpertRank/takePollStatistics()``.
    public func takePollStatistics() throws -> PollStatistics {
        try ranks.reduce(into: PollStatistics(notReady: 0, waits: 0)) { result, rank in
            let own = try rank.takePollStatistics()
            result.notReady += own.notReady
            result.waits += own.waits
        }
    }

    /// Marks all ranks as failed when `body` throws: none can finish its step without the others.
    func failing<Result>(_ body: () throws -> Result) throws -> Result {
        do {
            return try body()
        } catch {
            for rank in ranks { rank.fail() }
            throw error
        }
    }

    /// Runs `body`; when it throws because a rank's step has failed, marks all.
    func spreadingFailure(_ body: () throws -> Void) throws {
        do {
            try body()
        } catch {
            if ranks.contains(where: \.hasFailed) { for rank in ranks { rank.fail() } }
            throw error
        }
    }

    /// Refuses inputs that are more or fewer than the ranks.
    func requireOnePerRank(_ inputs: [RankInput]) throws(GroupError) {
        if inputs.count != ranks.count { throw .inputCount(given: inputs.count, ranks: ranks.count) }
    }

    /// Refuses to go on after a failure, or in the middle of a step.
    func requireIdle(before call: String) throws(GroupError) {
        for rank in ranks { try rank.requireIdle(before: call) }
    }
}
