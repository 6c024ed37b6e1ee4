import Accelerator
import ExpertKernels
import KernelLanguage
import Transport

/// Ranks that the rank goes on without; for groups with `FailurePolicy.mask`.
///
/// Nothing of the rank may be running in any of these calls. To take a rank in again that has died or was late:
/// 1. No rank is in a step, and every other rank has masked the one that comes back (`mask(_:)` where it has not).
/// 2. A rank that has been started again is made with its transport, which offers its windows, and `connect`s; the
///    others call `replaceWindows(of:within:)` for it. One that was only late keeps its windows.
/// 3. It calls `adopt(step:)` with what `currentStep()` says on another rank, which also forgets whom it has masked; it
///    masks those that are still missing.
/// 4. When it has, the others call `unmask(_:)`, and all ranks go on with the next step.
extension ExpertRank {
    /// The ranks that this one goes on without, in order.
    ///
    /// - Throws: `GroupError.noMasks` unless the group masks ranks; `DeviceError`.
    public func maskedRanks() throws -> [MaskedRank] {
        let records = try requireMasks().records
        let words = try device.read(UInt64.self, count: records.count, from: records.buffer)
        return (0..<configuration.shape.ranks).compactMap { rank in
            let record = Array(words[rank * WaitFault.words..<(rank + 1) * WaitFault.words])
            if record[0] == 0 { return nil }
            let fault = WaitFault(record: record, rank: index, shape: configuration.shape)
            return MaskedRank(
                rank: rank,
                cause: record[0] == RankMasks.Origin.host.rawValue ? .host : fault.map { .wait($0) } ?? .host)
        }
    }

    /// Goes on without `rank` from the next step on, as if a wait for it had failed.
    ///
    /// - Throws: `GroupError.noMasks`; `GroupError.notAPeer` for the rank itself and for a number that no rank has.
    public func mask(_ rank: Int) throws { try setMask(of: rank, .host) }

    /// Waits for `rank` again and sends to it from the next step on. It must be ready for that step.
    ///
    /// - Throws: `GroupError.noMasks`; `GroupError.notAPeer` for the rank itself and for a number that no rank has.
    public func unmask(_ rank: Int) throws {
        try requirePeer(rank)
        _ = try requireMasks()
        for exchange in exchanges { try exchange.forget(rank) }
        try setMask(of: rank, nil)
    }

    private func setMask(of rank: Int, _ origin: RankMasks.Origin?) throws {
        let masks = try requireMasks()
        try requirePeer(rank)
        var record = [UInt64](repeating: 0, count: WaitFault.words)
        record[0] = origin?.rawValue ?? 0
        try device.write(record, to: masks.record(of: rank))
    }

    /// How many steps the rank has completed.
    ///
    /// - Throws: `DeviceError`.
    public func currentStep() throws -> StepNumbers {
        StepNumbers(completed: try exchanges.map { try $0.completedSteps() })
    }

    /// Puts the rank into the state between two steps of the others, who have masked it, whatever became of its own:
    /// what it knows of earlier steps, its fault and its masks are forgotten.
    ///
    /// - Parameter step: What `currentStep()` is on the others.
    /// - Throws: `GroupError.noMasks`; `GroupError.stepCounters` for numbers of a rank with another configuration;
    ///   `DeviceError`.
    public func adopt(step: StepNumbers) throws {
        _ = try requireMasks()
        guard step.completed.count == exchanges.count else {
            throw GroupError.stepCounters(given: step.completed.count, expected: exchanges.count)
        }
        try failing {
            try stop()
            try clear()
            for (exchange, number) in zip(exchanges, step.completed) { try exchange.adopt(completedSteps: number) }
        }
        restart()
    }

    /// Asks the transport again for the windows of `peer`, which has been started again and has offered its new ones.
    /// Captured steps stay valid: kernels read where windows are from device memory.
    ///
    /// - Parameter seconds: How long to wait for them.
    /// - Throws: `GroupError.noMasks`, `.notAPeer`, `.notConnected`, `.windowSize`; `TransportError`; `DeviceError`.
    public func replaceWindows(of peer: Int, within seconds: Double = 60) throws {
        _ = try requireMasks()
        try requirePeer(peer)
        for exchange in exchanges { try exchange.replaceWindow(of: peer, within: seconds) }
    }

    private func requireMasks() throws(GroupError) -> RankMaskMemory {
        guard let masks = records.masks else { throw .noMasks }
        return masks
    }

    private func requirePeer(_ rank: Int) throws(GroupError) {
        guard (0..<configuration.shape.ranks).contains(rank), rank != index else {
            throw .notAPeer(rank, of: index, ranks: configuration.shape.ranks)
        }
    }
}

extension RankGroup {
    /// The ranks that each rank goes on without; see ``ExpertRank/maskedRanks()``.
    public func maskedRanks() throws -> [[MaskedRank]] { try ranks.map { try $0.maskedRanks() } }
}
