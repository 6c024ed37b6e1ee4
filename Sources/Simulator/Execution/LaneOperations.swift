// The loops over 32 lanes that handlers are made of.
//
// They are plain loops that read registers and write the scratch area: the compiler vectorises those, which it does not
// do for most operations of the SIMD32 types.

@inline(__always)
func core(_ w: UnsafeMutableRawPointer) -> UnsafeMutablePointer<WarpCore> { w.assumingMemoryBound(to: WarpCore.self) }

@inline(__always)
func step(_ s: UnsafeRawPointer) -> UnsafePointer<Step> { s.assumingMemoryBound(to: Step.self) }

extension UnsafeMutablePointer<WarpCore> {
    /// The lanes of an operand.
    @inline(__always)
    func lanes<T>(_ offset: Int32, as type: T.Type = T.self) -> UnsafePointer<T> {
        let address =
            offset >= 0
            ? UnsafeRawPointer(pointee.registers) + Int(offset) : pointee.constants + Int(~offset)
        return address.assumingMemoryBound(to: T.self)
    }

    /// The lane bits of a Bool operand.
    @inline(__always)
    func bits(_ offset: Int32) -> UInt32 { lanes(offset, as: UInt32.self).pointee }

    /// The lanes of a result.
    @inline(__always)
    func result<T>(_ offset: Int32, as type: T.Type = T.self) -> UnsafeMutablePointer<T> {
        (pointee.registers + Int(offset)).assumingMemoryBound(to: T.self)
    }

    @inline(__always)
    func scratch<T>(as type: T.Type = T.self) -> UnsafeMutablePointer<T> {
        pointee.scratch.assumingMemoryBound(to: T.self)
    }

    /// Sets a Bool on the active lanes.
    @inline(__always)
    func setBits(_ offset: Int32, _ bits: UInt32) {
        let register = result(offset, as: UInt32.self)
        register.pointee = (register.pointee & ~pointee.mask) | (bits & pointee.mask)
    }

    /// Moves the scratch area to a register, on the active lanes.
    @inline(__always)
    func commit<T>(_ offset: Int32, as type: T.Type) {
        if MemoryLayout<T>.size == 4 { commit32(offset) } else { commit64(offset) }
    }

    @inline(__always)
    func commit32(_ offset: Int32) {
        let register = result(offset, as: UInt32.self)
        let value = scratch(as: UInt32.self)
        let mask = pointee.mask
        if mask == .max {
            (pointee.registers + Int(offset)).copyMemory(from: value, byteCount: 128)
        } else {
            for lane in 0..<32 {
                register[lane] = (mask &>> UInt32(truncatingIfNeeded: lane)) & 1 != 0 ? value[lane] : register[lane]
            }
        }
    }

    @inline(__always)
    func commit64(_ offset: Int32) {
        let register = result(offset, as: UInt64.self)
        let value = scratch(as: UInt64.self)
        let mask = pointee.mask
        if mask == .max {
            (pointee.registers + Int(offset)).copyMemory(from: value, byteCount: 256)
        } else {
            for lane in 0..<32 {
                register[lane] = (mask &>> UInt32(truncatingIfNeeded: lane)) & 1 != 0 ? value[lane] : register[lane]
            }
        }
    }

    /// Runs the same step again when the warp is picked next.
    @inline(__always)
    func retry() { pointee.programCounter &-= 1 }
}

/// `d = f()` with the lane number.
@inline(__always)
func perLane<R>(
    _ w: UnsafeMutableRawPointer, _ s: UnsafeRawPointer, _ f: (UInt32) -> R
) -> Int32 {
    let core = core(w)
    let out = core.scratch(as: R.self)
    for lane in 0..<32 { out[lane] = f(UInt32(truncatingIfNeeded: lane)) }
    core.commit(step(s).pointee.d, as: R.self)
    return StepOutcome.proceed
}

/// `d = f(a)`.
@inline(__always)
func unary<A, R>(_ w: UnsafeMutableRawPointer, _ s: UnsafeRawPointer, _ f: (A) -> R) -> Int32 {
    let core = core(w)
    let a = core.lanes(step(s).pointee.a, as: A.self)
    let out = core.scratch(as: R.self)
    for lane in 0..<32 { out[lane] = f(a[lane]) }
    core.commit(step(s).pointee.d, as: R.self)
    return StepOutcome.proceed
}

/// `d = f(a, b)`.
@inline(__always)
func binary<A, B, R>(_ w: UnsafeMutableRawPointer, _ s: UnsafeRawPointer, _ f: (A, B) -> R) -> Int32 {
    let core = core(w)
    let a = core.lanes(step(s).pointee.a, as: A.self)
    let b = core.lanes(step(s).pointee.b, as: B.self)
    let out = core.scratch(as: R.self)
    for lane in 0..<32 { out[lane] = f(a[lane], b[lane]) }
    core.commit(step(s).pointee.d, as: R.self)
    return StepOutcome.proceed
}

/// `d = f(a, b, c)`.
@inline(__always)
func ternary<A, R>(_ w: UnsafeMutableRawPointer, _ s: UnsafeRawPointer, _ f: (A, A, A) -> R) -> Int32 {
    let core = core(w)
    let a = core.lanes(step(s).pointee.a, as: A.self)
    let b = core.lanes(step(s).pointee.b, as: A.self)
    let c = core.lanes(step(s).pointee.c, as: A.self)
    let out = core.scratch(as: R.self)
    for lane in 0..<32 { out[lane] = f(a[lane], b[lane], c[lane]) }
    core.commit(step(s).pointee.d, as: R.self)
    return StepOutcome.proceed
}

/// Bool `d = f(a, b)`.
@inline(__always)
func comparison<A>(_ w: UnsafeMutableRawPointer, _ s: UnsafeRawPointer, _ f: (A, A) -> Bool) -> Int32 {
    let core = core(w)
    let a = core.lanes(step(s).pointee.a, as: A.self)
    let b = core.lanes(step(s).pointee.b, as: A.self)
    var bits: UInt32 = 0
    for lane in 0..<32 { bits |= (f(a[lane], b[lane]) ? 1 : 0) &<< UInt32(truncatingIfNeeded: lane) }
    core.setBits(step(s).pointee.d, bits)
    return StepOutcome.proceed
}

/// Bool `d = f(a, b)` on the lane bits.
@inline(__always)
func bitwise(_ w: UnsafeMutableRawPointer, _ s: UnsafeRawPointer, _ f: (UInt32, UInt32) -> UInt32) -> Int32 {
    let core = core(w)
    core.setBits(step(s).pointee.d, f(core.bits(step(s).pointee.a), core.bits(step(s).pointee.b)))
    return StepOutcome.proceed
}
