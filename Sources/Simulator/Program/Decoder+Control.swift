import KernelLanguage

// Divergence. Every `if` and `loop` has a level of nesting, known when the program is decoded, with two masks: the
// lanes to go on with after it, and for an `if` the lanes that wait for its other side. Lanes that leave a loop or end
// are struck from the masks of all levels that they leave. When no lane is left, the program counter goes to the end
// of the enclosing construct, which finds the lanes that are.

extension UnsafeMutablePointer<WarpCore> {
    @inline(__always)
    func jump(_ target: Int) { pointee.programCounter = Int32(truncatingIfNeeded: target) }

    @inline(__always)
    func strike(_ lanes: UInt32, levels: Range<Int>) {
        for level in levels {
            pointee.frames[2 &* level] &= ~lanes
            pointee.frames[2 &* level &+ 1] &= ~lanes
        }
    }
}

/// The handlers of control flow. `x` is a jump target, `y` another, `z` the level of nesting.
enum ControlHandlers {
    /// Enters the side of an `if`; `x` is the step between the sides.
    static let branch: StepHandler = { w, s in
        let core = core(w)
        let step = step(s)
        let mask = core.pointee.mask
        let taken = mask & core.bits(step.pointee.a)
        core.pointee.frames[2 &* step.pointee.z] = mask
        core.pointee.frames[2 &* step.pointee.z &+ 1] = mask & ~taken
        core.pointee.mask = taken
        if taken == 0 { core.jump(step.pointee.x) }
        return StepOutcome.proceed
    }

    /// Between the sides of an `if`; `x` is its end.
    static let otherwise: StepHandler = { w, s in
        let core = core(w)
        let step = step(s)
        let waiting = core.pointee.frames[2 &* step.pointee.z &+ 1]
        core.pointee.frames[2 &* step.pointee.z &+ 1] = 0
        core.pointee.mask = waiting
        if waiting == 0 { core.jump(step.pointee.x) }
        return StepOutcome.proceed
    }

    /// The end of an `if`; `x` is the end of what encloses it.
    static let join: StepHandler = { w, s in
        let core = core(w)
        let step = step(s)
        core.pointee.mask = core.pointee.frames[2 &* step.pointee.z]
        if core.pointee.mask == 0 { core.jump(step.pointee.x) }
        return StepOutcome.proceed
    }

    static let enterLoop: StepHandler = { w, s in
        let core = core(w)
        core.pointee.frames[2 &* step(s).pointee.z] = core.pointee.mask
        core.pointee.frames[2 &* step(s).pointee.z &+ 1] = 0
        return StepOutcome.proceed
    }

    /// The end of a loop's body; `y` is its start, `x` the end of what encloses it.
    static let repeatLoop: StepHandler = { w, s in
        let core = core(w)
        let step = step(s)
        if core.pointee.mask != 0 {
            core.jump(step.pointee.y)
        } else {
            core.pointee.mask = core.pointee.frames[2 &* step.pointee.z]
            if core.pointee.mask == 0 { core.jump(step.pointee.x) }
        }
        return StepOutcome.proceed
    }

    /// Leaves the loop whose body is at level `y`; the step stands at level `z`; `x` is the end of what encloses it.
    static let breakIf: StepHandler = { w, s in
        let core = core(w)
        let step = step(s)
        let leaving = core.pointee.mask & core.bits(step.pointee.a)
        if leaving != 0 {
            core.strike(leaving, levels: step.pointee.y..<step.pointee.z)
            core.pointee.mask &= ~leaving
            if core.pointee.mask == 0 { core.jump(step.pointee.x) }
        }
        return StepOutcome.proceed
    }

    static let exit: StepHandler = { w, s in
        let core = core(w)
        let step = step(s)
        core.strike(core.pointee.mask, levels: 0..<step.pointee.z)
        core.pointee.live &= ~core.pointee.mask
        core.pointee.mask = 0
        core.jump(step.pointee.x)
        return StepOutcome.proceed
    }

    static let end: StepHandler = { _, _ in StepOutcome.finished }
}
