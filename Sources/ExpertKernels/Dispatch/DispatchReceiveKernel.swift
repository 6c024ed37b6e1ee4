import KernelLanguage

/// Waits for the rows of all local experts, which their senders write straight to their places. For those who compute with
/// kernels that do not wait for rows themselves.
///
/// - Parameter endsStep: No combine follows: the step ends here.
/// - In: `counts` UInt32 `[rankExperts]`; `window` of this rank; `rank`; `step`.
public func dispatchReceiveKernel(_ window: RankWindow, endsStep: Bool = false) throws(VerificationError) -> Kernel {
    let shape = window.shape
    let warps = 16
    let name = "dispatch_receive_\(window.format)_\(window.name)" + (endsStep ? "_end" : "")
    return try KernelBuilder.build(name, threads: warps * 32) { k in
        let counts = k.pointerParameter("counts", to: UInt32.self)
        let watchdog = Watchdog(k, .dispatchReceive)
        let rows = ArrivingRows(k, window, watchdog: watchdog)
        k.waitForPrerequisites()
        let worker = k.blockIndex.multiply(warps, add: k.warpIndex)
        k.for(from: worker, to: k.constant(UInt32(shape.rankExperts)), by: k.gridSize * warps) { expert in
            k.span(.wait, where: k.isFirstLane, (expert, expert)) {
                k.for(from: k.lane, to: k.load(counts + expert), by: k.constant(UInt32(32))) { row in
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
