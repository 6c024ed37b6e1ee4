import KernelLanguage

/// A warp-group multiply as a program holds it.
struct MultiplyPlan {
    let element: ScalarType
    let columns: Int
    /// Places of the accumulators.
    let accumulators: [Int32]
    /// Places of the registers of A; empty if A is in shared memory.
    let fragment: [Int32]
}

/// Handlers that start, group and wait for warp-group multiplies.
enum MultiplyHandlers {
    /// `x` is the number of the plan, `a` the descriptor of A, `b` that of B, `c` whether to accumulate.
    static let multiply: StepHandler = { w, s in
        let core = core(w)
        let step = step(s)
        let warp = core.pointee.warp
        guard core.pointee.mask == .max else {
            return core.fail(
                step, "only \(core.pointee.mask.nonzeroBitCount) lanes of the warp take part in a warp-group multiply")
        }
        let operation = MultiplyQueue.Operation(
            plan: step.pointee.x, a: core.uniform(step.pointee.a, as: UInt64.self),
            b: core.uniform(step.pointee.b, as: UInt64.self), accumulates: core.bits(step.pointee.c) & 1 == 1,
            step: warp.index(of: step), group: warp.multiplies.committedGroups)
        warp.machine.start(multiply: operation, of: warp)
        return StepOutcome.proceed
    }

    static let commit: StepHandler = { w, _ in
        core(w).pointee.warp.multiplies.committedGroups += 1
        return StepOutcome.proceed
    }

    /// `x` groups may be under way.
    static let wait: StepHandler = { w, s in
        let core = core(w)
        let warp = core.pointee.warp
        let pending = step(s).pointee.x
        guard !warp.multiplies.isSatisfied(pending: pending) else { return StepOutcome.proceed }
        core.retry()
        warp.machine.suspend(warp, .multiply(pending: pending))
        return StepOutcome.blocked
    }
}
