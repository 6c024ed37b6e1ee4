import KernelLanguage

/// Handlers of sleeps and of dependent launch.
enum MachineHandlers {
    static let nothing: StepHandler = { _, _ in StepOutcome.proceed }

    static let launchDependents: StepHandler = { w, _ in
        let warp = core(w).pointee.warp
        if !warp.block.hasTriggered {
            warp.block.hasTriggered = true
            warp.machine.judge?.trigger(warp.block, by: [warp])
            warp.block.run.triggeredBlocks += 1
            core(w).pointee.counters.pointee.progress &+= 1
            warp.machine.streamsChanged = true
        }
        return StepOutcome.proceed
    }

    static let waitForPredecessors: StepHandler = { w, _ in
        let core = core(w)
        let warp = core.pointee.warp
        guard !warp.block.run.predecessorIsComplete else { return StepOutcome.proceed }
        warp.block.run.waitingWarps.append(warp)
        core.retry()
        warp.machine.suspend(warp, .dependentLaunch)
        return StepOutcome.blocked
    }

    /// `a` is the time.
    static let sleep: StepHandler = { w, s in
        let core = core(w)
        let warp = core.pointee.warp
        let times = core.lanes(step(s).pointee.a, as: UInt32.self)
        var longest: UInt32 = 0
        for lane in 0..<32 where core.pointee.mask >> UInt32(lane) & 1 != 0 { longest = max(longest, times[lane]) }
        guard longest > 0 else { return StepOutcome.proceed }
        warp.machine.suspend(warp, .sleeping)
        let time = warp.machine.delay(UInt64(longest / 2)...UInt64(longest))
        warp.machine.schedule(.wake(warp, warp.wait), after: max(time, 1))
        return StepOutcome.blocked
    }
}
