import KernelLanguage

/// Parameters of the dispatch receive.
package struct DispatchReceiveParameters: KernelParameters {
    /// UInt32 `[rankExperts]`: rows of each expert.
    package var counts: MemoryParameter<UInt32>
    /// Fault record and time limit of its waits.
    package var watchdog: WatchdogParameters
    /// The rank's window, its number and its step counter.
    package var arriving: ArrivingParameters

    /// Parameters as given.
    package init(counts: MemoryParameter<UInt32>, watchdog: WatchdogParameters, arriving: ArrivingParameters) {
        self.counts = counts
        self.watchdog = watchdog
        self.arriving = arriving
    }
}

/// Waits for the rows of all local experts, which their senders write straight to their places: for callers whose
/// kernels do not wait for rows themselves. Takes `DispatchReceiveParameters`, and with totals
/// `DispatchTotalsParameters`.
///
/// - Parameters:
///   - endsStep: Whether the step ends with this kernel, as no combine follows.
///   - totals: Whether it adds rows received and time waited to the caller's memory. The send has waited for row counts
///     before, which is not included.
package func dispatchReceiveKernel(
    _ window: RankWindow, endsStep: Bool = false, totals: Bool = false
) throws(VerificationError) -> Kernel {
    let shape = window.shape
    let warps = 16
    let name = "dispatch_receive_\(window.format)_\(window.name)" + (endsStep ? "_end" : "") + (totals ? "_totals" : "")
    return try KernelBuilder.build(name, threads: warps * 32) { k in
        let parameters = k.parameters(DispatchReceiveParameters.self)
        let counts = parameters.counts
        let totals = totals ? DispatchTotals(k, shape) : nil
        let rows = ArrivingRows(
            k, parameters.arriving, window, watchdog: Watchdog(parameters.watchdog, .dispatchReceive),
            waits: totals?.waits)
        k.waitForPrerequisites()
        let worker = k.blockIndex.multiply(warps, add: k.warpIndex)
        k.for(from: worker, to: k.constant(UInt32(shape.rankExperts)), by: k.gridSize * warps) { expert in
            if let totals {
                k.if(k.isFirstLane) { totals.add(k, rows: k.load(counts + expert), expert: expert) }
            }
            k.span(.wait, where: k.isFirstLane, (expert, expert)) {
                k.for(from: k.lane, to: k.load(counts + expert), by: 32) { row in
                    rows.await(k, expert: expert, row: row)
                }
                k.syncWarp()
            }
        }
        if endsStep {
            k.syncThreads()
            k.if(k.isFirstThread) { rows.step.finishBlock(k) }
        } else {
            k.launchDependents()
        }
    }
}
