import KernelLanguage

extension UnsafeMutablePointer<WarpCore> {
    /// Sets the machine's failure.
    func fail(_ step: UnsafePointer<Step>, lane: Int? = nil, _ problem: String) -> Int32 {
        let warp = pointee.warp
        let place = warp.place(of: warp.index(of: step), lane: lane ?? pointee.mask.trailingZeroBitCount)
        warp.machine.fail(.invalidOperation(place, problem: problem))
        return StepOutcome.failed
    }

    /// Calls `body` for each active lane until it throws or the machine has failed.
    @inline(__always)
    func forEachLane(_ body: (Int) throws(InvalidUse) -> Void, failingAt step: UnsafePointer<Step>) -> Int32 {
        var remaining = pointee.mask
        while remaining != 0 {
            let lane = remaining.trailingZeroBitCount
            remaining &= remaining &- 1
            do throws(InvalidUse) { try body(lane) } catch { return fail(step, lane: lane, error.problem) }
            if pointee.warp.machine.failure != nil { return StepOutcome.failed }
        }
        return StepOutcome.proceed
    }

    /// The first active lane's value of an operand that is the same on all lanes.
    @inline(__always)
    func uniform<T>(_ offset: Int32, as type: T.Type = T.self) -> T {
        lanes(offset, as: T.self)[pointee.mask.trailingZeroBitCount & 31]
    }

    /// The lane's shared address in `operand`.
    @inline(__always)
    func sharedAddress(_ operand: Int32, _ offset: Int, _ lane: Int) -> UInt32 {
        lanes(operand, as: UInt32.self)[lane] &+ UInt32(truncatingIfNeeded: offset)
    }
}

/// Handlers of barriers.
enum BarrierHandlers {
    /// `a` is the number of the barrier, `x` the threads or 0 for all, `y` is 1 if the warp waits.
    static let barrier: StepHandler = { w, s in
        let core = core(w)
        let step = step(s)
        let warp = core.pointee.warp
        let id = Int(core.uniform(step.pointee.a, as: UInt32.self))
        guard id < 16 else { return core.fail(step, "barrier \(id); blocks have barriers 0 to 15") }
        let waits = step.pointee.y == 1
        let threads = step.pointee.x == 0 ? nil : step.pointee.x
        core.pointee.counters.pointee.progress &+= 1
        do throws(InvalidUse) {
            warp.machine.judge?.arrive(at: id, warp)
            if waits { warp.machine.suspend(warp, .barrier(id)) }
            guard
                let released = try warp.block.barriers.arrive(
                    id, threads: threads, waiting: waits ? warp : nil, liveWarps: warp.block.liveWarps)
            else { return waits ? StepOutcome.blocked : StepOutcome.proceed }
            warp.machine.judge?.release(released, of: id, in: warp.block)
            for other in released { warp.machine.resume(other) }
            // Even if it is released at once: another warp may go first.
            return waits ? StepOutcome.blocked : StepOutcome.proceed
        } catch {
            return core.fail(step, error.problem)
        }
    }

    static let clusterArrive: StepHandler = { w, s in
        let core = core(w)
        let warp = core.pointee.warp
        let cluster = warp.block.cluster
        guard warp.clusterArrivals <= cluster.phase else {
            return core.fail(step(s), "second arrival at the cluster's barrier without a wait in between")
        }
        core.pointee.counters.pointee.progress &+= 1
        warp.machine.judge?.arrive(atCluster: cluster, warp)
        warp.clusterArrivals = cluster.phase + 1
        cluster.arrivedWarps += 1
        warp.machine.completeIfAllArrived(cluster)
        return StepOutcome.proceed
    }

    static let clusterWait: StepHandler = { w, s in
        let core = core(w)
        let warp = core.pointee.warp
        guard warp.block.cluster.phase < warp.clusterArrivals else {
            warp.machine.judge?.wait(for: warp.block.cluster, warp)
            return StepOutcome.proceed
        }
        warp.block.cluster.waiting.append(warp)
        core.retry()
        warp.machine.suspend(warp, .clusterBarrier)
        return StepOutcome.blocked
    }

    /// `a` + `x` is the address, `b` the number of arrivals.
    static let initialise: StepHandler = { w, s in
        let core = core(w)
        let step = step(s)
        guard core.resolve(.shared, step, count: 8, .write) else { return StepOutcome.failed }
        let block = core.pointee.warp.block
        return core.forEachLane(
            { lane throws(InvalidUse) in
                try block.mbarriers.initialise(
                    core.sharedAddress(step.pointee.a, step.pointee.x, lane),
                    arrivals: core.lanes(step.pointee.b, as: UInt32.self)[lane])
            }, failingAt: step)
    }

    /// `a` + `x` is the address.
    static let invalidate: StepHandler = { w, s in
        let core = core(w)
        let step = step(s)
        let block = core.pointee.warp.block
        return core.forEachLane(
            { lane throws(InvalidUse) in
                try block.mbarriers.invalidate(core.sharedAddress(step.pointee.a, step.pointee.x, lane))
            }, failingAt: step)
    }

    /// `a` + `x` is the address, `b` the bytes that the phase will wait for.
    static let arrive: StepHandler = { w, s in
        let core = core(w)
        let step = step(s)
        let block = core.pointee.warp.block
        core.pointee.counters.pointee.progress &+= 1
        return core.forEachLane(
            { lane throws(InvalidUse) in
                let address = core.sharedAddress(step.pointee.a, step.pointee.x, lane)
                let bytes = Int(core.lanes(step.pointee.b, as: UInt32.self)[lane])
                if try block.mbarriers.arrive(address, expecting: bytes) {
                    core.pointee.warp.machine.releaseWaiters(of: address, in: block)
                }
            }, failingAt: step)
    }

    /// `a` + `x` is the address, `b` the parity. Suspends the warp until all lanes' phases have completed, or for the
    /// time limit.
    static let tryWait: StepHandler = { w, s in
        let core = core(w)
        let step = step(s)
        let warp = core.pointee.warp
        var completed: UInt32 = 0
        var incomplete: (address: UInt32, parity: UInt32)?
        let outcome = core.forEachLane(
            { lane throws(InvalidUse) in
                let address = core.sharedAddress(step.pointee.a, step.pointee.x, lane)
                let parity = core.lanes(step.pointee.b, as: UInt32.self)[lane]
                guard let barrier = warp.block.mbarriers.find(address) else {
                    throw InvalidUse(
                        "there is no mbarrier at \(warp.block.mbarriers.name(address)); initialise it first")
                }
                if barrier.hasCompleted(parity: parity) {
                    completed |= 1 << UInt32(lane)
                } else if incomplete == nil {
                    incomplete = (address, parity & 1)
                }
            }, failingAt: step)
        guard outcome == StepOutcome.proceed else { return outcome }
        // A try-wait may give up at any time; doing so now and then exposes loops that rely on it not to.
        let givesUp = warp.waitLimitPassed || (!warp.hasWaitLimit && warp.machine.givesUp())
        if let incomplete, !givesUp {
            warp.block.mbarriers.waiting.append(warp)
            core.retry()
            warp.machine.suspend(warp, .mbarrier(address: incomplete.address, parity: incomplete.parity))
            return StepOutcome.blocked
        }
        warp.endTryWait()
        core.setBits(step.pointee.d, completed)
        return StepOutcome.proceed
    }
}
