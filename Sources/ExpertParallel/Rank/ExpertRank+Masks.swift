import Accelerator
import ExpertKernels
import KernelLanguage
import Transport

/// Ranks that the rank goes on without; for groups with `FailurePolicy.mask`.
///
/// Nothing of the rank may be running in any of these calls. To take a rank in again that has died or was late: 1. No
/// rank is in a step, no operation of a network is in flight, and every other rank has masked the one that comes back
///    (`mask(_:)` where it has not).
/// 2. A rank that has been started again is made with its transport, which offers its windows, and `connect`s; the
///    others call `replaceWindows(of:within:)` for it. One that was only late keeps its windows.
/// 3. It calls `adopt(step:)` with another rank's `currentStep()`, which also clears its masks; it masks the ranks that
///    are still missing.
/// 4. When it has, the others call `unmask(_:)`, and all ranks go on with the next step.
extension ExpertRank {
    /// The ranks that this one goes on without, in order.
    ///
    /// - Throws: `GroupError.noMasks` unless the group masks ranks; `DeviceError`.
    public func maskedRanks() throws -> [MaskedRank] { try state.maskedRanks() }

    /// Goes on without `rank` from the next step on, as if a wait for it had failed.
    ///
    /// - Throws: `GroupError.noMasks`; `GroupError.notAPeer` for the rank itself and for a number that no rank has.
    public func mask(_ rank: Int) throws { try state.mask(rank) }

    /// Waits for `rank` again and sends to it from the next step on. It must be ready for that step.
    ///
    /// - Throws: `GroupError.noMasks`; `GroupError.notAPeer` for the rank itself and for a number that no rank has.
    public func unmask(_ rank: Int) throws { try state.unmask(rank) }

    /// Enqueues a kernel that writes which ranks are masked; see ``CommunicationBuffer/noteMasks(at:on:)``.
    ///
    /// - Throws: `GroupError.noMasks`, `.misaligned`.
    public func noteMasks(at status: UInt64, on stream: DeviceStream) throws {
        try requireAligned("the status of masks", status, 4)
        try state.noteMasks(at: status, on: stream)
    }

    /// The number of steps that the rank has completed.
    ///
    /// - Throws: `DeviceError`.
    public func currentStep() throws -> StepNumbers {
        StepNumbers(completed: try exchanges.map { try $0.completedSteps() })
    }

    /// Puts the rank into the state between two steps of the others, which have masked it. What it knows of earlier
    /// steps, its fault and its masks are forgotten.
    ///
    /// - Parameter step: The `currentStep()` of another rank.
    /// - Throws: `GroupError.noMasks`; `GroupError.stepCounters` for numbers of a rank with another configuration;
    ///   `DeviceError`.
    public func adopt(step: StepNumbers) throws {
        _ = try state.requireMasks()
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
    /// - Parameters:
    ///   - peer: The rank that is back.
    ///   - seconds: How long to wait for its windows.
    /// - Throws: `GroupError.noMasks`, `.notAPeer`, `.notConnected`, `.windowSize`; `TransportError`; `DeviceError`.
    public func replaceWindows(of peer: Int, within seconds: Double = 60) throws {
        _ = try state.requireMasks()
        try state.requirePeer(peer)
        for exchange in exchanges { try exchange.replaceWindow(of: peer, within: seconds) }
    }
}

extension RankGroup {
    /// The ranks that each rank goes on without; see ``ExpertRank/maskedRanks()``.
    public func maskedRanks() throws -> [[MaskedRank]] { try ranks.map { try $0.maskedRanks() } }
}
