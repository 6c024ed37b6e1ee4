import KernelLanguage

/// Handlers of loads and stores. `a` is the address, `x` is added to it, `y` registers stand in the program's lists
/// from `z`.
extension Decoder {
    func loadHandler(_ element: ScalarType, _ space: MemorySpace) -> StepHandler {
        switch (element.bytes, space) {
        case (1, .global): { w, s in load(w, s, .global, UInt8.self, as: UInt32.self) }
        case (2, .global): { w, s in load(w, s, .global, UInt16.self, as: UInt32.self) }
        case (8, .global): { w, s in load(w, s, .global, UInt64.self, as: UInt64.self) }
        case (_, .global): { w, s in load(w, s, .global, UInt32.self, as: UInt32.self) }
        case (1, .shared): { w, s in load(w, s, .shared, UInt8.self, as: UInt32.self) }
        case (2, .shared): { w, s in load(w, s, .shared, UInt16.self, as: UInt32.self) }
        case (8, .shared): { w, s in load(w, s, .shared, UInt64.self, as: UInt64.self) }
        case (_, .shared): { w, s in load(w, s, .shared, UInt32.self, as: UInt32.self) }
        }
    }

    func storeHandler(_ element: ScalarType, _ space: MemorySpace) -> StepHandler {
        switch (element.bytes, space) {
        case (1, .global): { w, s in store(w, s, .global, UInt8.self, from: UInt32.self) }
        case (2, .global): { w, s in store(w, s, .global, UInt16.self, from: UInt32.self) }
        case (8, .global): { w, s in store(w, s, .global, UInt64.self, from: UInt64.self) }
        case (_, .global): { w, s in store(w, s, .global, UInt32.self, from: UInt32.self) }
        case (1, .shared): { w, s in store(w, s, .shared, UInt8.self, from: UInt32.self) }
        case (2, .shared): { w, s in store(w, s, .shared, UInt16.self, from: UInt32.self) }
        case (8, .shared): { w, s in store(w, s, .shared, UInt64.self, from: UInt64.self) }
        case (_, .shared): { w, s in store(w, s, .shared, UInt32.self, from: UInt32.self) }
        }
    }
}

/// Discarded bytes count as never written, so that a later read is reported.
let discardHandler: StepHandler = { w, s in
    let core = core(w)
    let step = step(s)
    let warp = core.pointee.warp
    return core.forEachLane(
        { lane throws(InvalidUse) in
            let (address, bytes) = (core.globalAddress(step.pointee.a, step.pointee.x, lane), Op.discardedBytes)
            guard address % UInt64(bytes) == 0 else {
                throw InvalidUse("discard at 0x\(String(address, radix: 16)), which is no multiple of \(bytes)")
            }
            guard let found = warp.machine.memory.find(address, count: bytes) else {
                warp.machine.fail(
                    outOfBounds: .global, address, bytes, warp.place(of: warp.index(of: step), lane: lane))
                return
            }
            found.region.pointee.forget(found.offset, count: bytes)
        }, failingAt: step)
}

@inline(__always)
private func load<M: FixedWidthInteger, R: FixedWidthInteger>(
    _ w: UnsafeMutableRawPointer, _ s: UnsafeRawPointer, _ space: MemorySpace, _ memory: M.Type, as register: R.Type
) -> Int32 {
    let core = core(w)
    let step = step(s)
    let count = step.pointee.y
    guard core.resolve(space, step, count: count &* MemoryLayout<M>.size, .read) else { return StepOutcome.failed }
    let list = core.pointee.warp.list(step.pointee.z)
    let pointers = core.pointee.pointers
    let mask = core.pointee.mask
    for element in 0..<count {
        let target = core.result(list[element], as: R.self)
        let offset = element &* MemoryLayout<M>.size
        if mask == .max {
            for lane in 0..<32 { target[lane] = R(truncatingIfNeeded: (pointers[lane] + offset).load(as: M.self)) }
        } else {
            var remaining = mask
            while remaining != 0 {
                let lane = remaining.trailingZeroBitCount
                remaining &= remaining &- 1
                target[lane] = R(truncatingIfNeeded: (pointers[lane] + offset).load(as: M.self))
            }
        }
    }
    return StepOutcome.proceed
}

@inline(__always)
private func store<M: FixedWidthInteger, R: FixedWidthInteger>(
    _ w: UnsafeMutableRawPointer, _ s: UnsafeRawPointer, _ space: MemorySpace, _ memory: M.Type, from register: R.Type
) -> Int32 {
    let core = core(w)
    let step = step(s)
    let count = step.pointee.y
    guard core.resolve(space, step, count: count &* MemoryLayout<M>.size, .write) else { return StepOutcome.failed }
    let list = core.pointee.warp.list(step.pointee.z)
    let pointers = core.pointee.pointers
    for element in 0..<count {
        let source = core.lanes(list[element], as: R.self)
        let offset = element &* MemoryLayout<M>.size
        var remaining = core.pointee.mask
        while remaining != 0 {
            let lane = remaining.trailingZeroBitCount
            remaining &= remaining &- 1
            (pointers[lane] + offset).storeBytes(of: M(truncatingIfNeeded: source[lane]), as: M.self)
        }
    }
    return StepOutcome.proceed
}
