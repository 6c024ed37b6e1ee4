import KernelLanguage

/// Handlers of atomic operations. `a` is the address, `x` is added to it, `b` the operand, `c` what compare-and-swap
/// compares with, `d` the register for the old value, or below zero for none; `y` is 0 for global and 1 for shared
/// memory, 2 for global memory that other processes may access at the same time; `z` is 1 for compare-and-swap.
extension Decoder {
    func atomicHandler(_ operation: AtomicOperation, _ type: ScalarType) -> StepHandler {
        switch (operation, type) {
        case (.add, .float32):
            { w, s in
                atomic(w, s) { (old: UInt32, b, _) in
                    FloatArithmetic.canonical(Float(bitPattern: old) + Float(bitPattern: b)).bitPattern
                }
            }
        case (.add, .uint64): { w, s in atomic(w, s) { (old: UInt64, b, _) in old &+ b } }
        case (.add, _): { w, s in atomic(w, s) { (old: UInt32, b, _) in old &+ b } }
        case (.minimum, .uint64): { w, s in atomic(w, s) { (old: UInt64, b, _) in min(old, b) } }
        case (.minimum, .int32): { w, s in atomic(w, s) { (old: Int32, b, _) in min(old, b) } }
        case (.minimum, _): { w, s in atomic(w, s) { (old: UInt32, b, _) in min(old, b) } }
        case (.maximum, .uint64): { w, s in atomic(w, s) { (old: UInt64, b, _) in max(old, b) } }
        case (.maximum, .int32): { w, s in atomic(w, s) { (old: Int32, b, _) in max(old, b) } }
        case (.maximum, _): { w, s in atomic(w, s) { (old: UInt32, b, _) in max(old, b) } }
        case (.exchange, .uint64): { w, s in atomic(w, s) { (_: UInt64, b, _) in b } }
        case (.exchange, _): { w, s in atomic(w, s) { (_: UInt32, b, _) in b } }
        case (.compareAndSwap, .uint64): { w, s in atomic(w, s) { (old: UInt64, b, c) in old == c ? b : old } }
        case (.compareAndSwap, _): { w, s in atomic(w, s) { (old: UInt32, b, c) in old == c ? b : old } }
        case (.or, .uint64): { w, s in atomic(w, s) { (old: UInt64, b, _) in old | b } }
        case (.or, _): { w, s in atomic(w, s) { (old: UInt32, b, _) in old | b } }
        case (.and, .uint64): { w, s in atomic(w, s) { (old: UInt64, b, _) in old & b } }
        case (.and, _): { w, s in atomic(w, s) { (old: UInt32, b, _) in old & b } }
        }
    }
}

/// One lane after the other.
@inline(__always)
private func atomic<T: SystemWord>(
    _ w: UnsafeMutableRawPointer, _ s: UnsafeRawPointer, _ f: (T, T, T) -> T
) -> Int32 {
    let core = core(w)
    let step = step(s)
    // A spin that polls with an atomic operation is no progress; a change is.
    let progress = core.pointee.counters.pointee.progress
    guard core.resolve(step.pointee.y == 1 ? .shared : .global, step, count: MemoryLayout<T>.size, .update) else {
        return StepOutcome.failed
    }
    let b = core.lanes(step.pointee.b, as: T.self)
    let c = core.lanes(step.pointee.c, as: T.self)
    let out = core.scratch(as: T.self)
    var changed = false
    var remaining = core.pointee.mask
    while remaining != 0 {
        let lane = remaining.trailingZeroBitCount
        remaining &= remaining &- 1
        let pointer = core.pointee.pointers[lane]
        let (old, new): (T, T)
        if step.pointee.y == 2 {
            (old, new) = T.systemUpdate(pointer) { f($0, b[lane], c[lane]) }
        } else {
            old = pointer.load(as: T.self)
            new = f(old, b[lane], c[lane])
            pointer.storeBytes(of: new, as: T.self)
        }
        changed = changed || new != old
        out[lane] = old
    }
    if !changed { core.pointee.counters.pointee.progress = progress }
    if step.pointee.d >= 0 { core.commit(step.pointee.d, as: T.self) }
    return StepOutcome.proceed
}
