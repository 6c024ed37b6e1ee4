import KernelLanguage
import Synchronization

/// Accesses to global memory that synchronise with the whole system, and so with other processes: real fences, and one
/// atomic access of the host's CPU for each word. Operands as for other loads and stores.
extension Decoder {
    /// Whether other processes may take part.
    static func reachesSystem(_ access: MemoryAccess) -> Bool {
        access.space == .global && access.order.scope == .system
    }

    func systemLoadHandler(_ element: ScalarType) -> StepHandler {
        switch element.bytes {
        case 1: { w, s in load(w, s, UInt8.self, as: UInt32.self) }
        case 2: { w, s in load(w, s, UInt16.self, as: UInt32.self) }
        case 8: { w, s in load(w, s, UInt64.self, as: UInt64.self) }
        default: { w, s in load(w, s, UInt32.self, as: UInt32.self) }
        }
    }

    func systemStoreHandler(_ element: ScalarType) -> StepHandler {
        switch element.bytes {
        case 1: { w, s in store(w, s, UInt8.self, from: UInt32.self) }
        case 2: { w, s in store(w, s, UInt16.self, from: UInt32.self) }
        case 8: { w, s in store(w, s, UInt64.self, from: UInt64.self) }
        default: { w, s in store(w, s, UInt32.self, from: UInt32.self) }
        }
    }
}

func systemFenceHandler(_ strength: MemoryOrder.Strength) -> StepHandler {
    if strength == .sequentiallyConsistent {
        return { _, _ in
            atomicMemoryFence(ordering: .sequentiallyConsistent)
            return StepOutcome.proceed
        }
    }
    // PTX's acquire-release fence orders no store before a later load, and neither need this one.
    return { _, _ in
        atomicMemoryFence(ordering: .acquiringAndReleasing)
        return StepOutcome.proceed
    }
}

/// Relaxed loads have the fence too; it does no harm.
@inline(__always)
private func load<M: SystemWord, R: FixedWidthInteger>(
    _ w: UnsafeMutableRawPointer, _ s: UnsafeRawPointer, _ memory: M.Type, as register: R.Type
) -> Int32 {
    let core = core(w)
    let step = step(s)
    let count = step.pointee.y
    guard core.resolve(.global, step, count: count &* MemoryLayout<M>.size, .read) else { return StepOutcome.failed }
    for element in 0..<count {
        let target = core.result(core.pointee.warp.list(step.pointee.z)[element], as: R.self)
        let offset = element &* MemoryLayout<M>.size
        var remaining = core.pointee.mask
        while remaining != 0 {
            let lane = remaining.trailingZeroBitCount
            remaining &= remaining &- 1
            target[lane] = R(truncatingIfNeeded: M.systemLoad(core.pointee.pointers[lane] + offset))
        }
    }
    atomicMemoryFence(ordering: .acquiring)
    return StepOutcome.proceed
}

/// Relaxed stores have the fence too; it does no harm.
@inline(__always)
private func store<M: SystemWord, R: FixedWidthInteger>(
    _ w: UnsafeMutableRawPointer, _ s: UnsafeRawPointer, _ memory: M.Type, from register: R.Type
) -> Int32 {
    let core = core(w)
    let step = step(s)
    let count = step.pointee.y
    guard core.resolve(.global, step, count: count &* MemoryLayout<M>.size, .write) else { return StepOutcome.failed }
    atomicMemoryFence(ordering: .releasing)
    for element in 0..<count {
        let source = core.lanes(core.pointee.warp.list(step.pointee.z)[element], as: R.self)
        let offset = element &* MemoryLayout<M>.size
        var remaining = core.pointee.mask
        while remaining != 0 {
            let lane = remaining.trailingZeroBitCount
            remaining &= remaining &- 1
            M.systemStore(M(truncatingIfNeeded: source[lane]), core.pointee.pointers[lane] + offset)
        }
    }
    return StepOutcome.proceed
}
