import KernelLanguage

/// Handlers that start, group and wait for bulk and tensor copies. Operands stand in the program's lists from `x` on,
/// constant offsets in its list of numbers from `y` on; `z` is the number of a tensor map parameter.
enum CopyHandlers {
    /// Lists: shared, global, bytes, mbarrier. Numbers: offsets of shared, global, mbarrier.
    static let bulkLoad: StepHandler = { w, s in
        let core = core(w)
        let step = step(s)
        let warp = core.pointee.warp
        let list = warp.list(step.pointee.x)
        let numbers = warp.program.numbers
        return core.forEachLane(
            { lane throws(InvalidUse) in
                let shared = core.sharedAddress(list[0], numbers[step.pointee.y], lane)
                let global = core.globalAddress(list[1], numbers[step.pointee.y + 1], lane)
                let bytes = Int(core.lanes(list[2], as: UInt32.self)[lane])
                let mbarrier = core.sharedAddress(list[3], numbers[step.pointee.y + 2], lane)
                try checkBulk(shared, global, bytes)
                _ = try warp.block.mbarriers.existing(mbarrier)
                let copy = CopyOperation(
                    extent: .linear(global: global, shared: shared, bytes: bytes), warp: warp,
                    step: warp.index(of: step),
                    lane: lane, mbarrier: mbarrier)
                warp.machine.start(load: copy)
            }, failingAt: step)
    }

    /// Lists: global, shared, bytes. Numbers: offsets of global, shared.
    static let bulkStore: StepHandler = { w, s in
        let core = core(w)
        let step = step(s)
        let warp = core.pointee.warp
        let list = warp.list(step.pointee.x)
        let numbers = warp.program.numbers
        return core.forEachLane(
            { lane throws(InvalidUse) in
                let global = core.globalAddress(list[0], numbers[step.pointee.y], lane)
                let shared = core.sharedAddress(list[1], numbers[step.pointee.y + 1], lane)
                let bytes = Int(core.lanes(list[2], as: UInt32.self)[lane])
                try checkBulk(shared, global, bytes)
                let copy = CopyOperation(
                    extent: .linear(global: global, shared: shared, bytes: bytes), warp: warp,
                    step: warp.index(of: step),
                    lane: lane, group: warp.bulkGroups.current(lane: lane))
                warp.machine.start(store: copy)
            }, failingAt: step)
    }

    /// Lists: global, bytes. Numbers: offset of global.
    static let bulkPrefetch: StepHandler = { w, s in
        let core = core(w)
        let step = step(s)
        let warp = core.pointee.warp
        let list = warp.list(step.pointee.x)
        let numbers = warp.program.numbers
        return core.forEachLane(
            { lane throws(InvalidUse) in
                let global = core.globalAddress(list[0], numbers[step.pointee.y], lane)
                let bytes = Int(core.lanes(list[1], as: UInt32.self)[lane])
                try checkBulk(0, global, bytes)
                if warp.machine.memory.find(global, count: bytes) == nil {
                    warp.machine.fail(
                        outOfBounds: .global, global, bytes, warp.place(of: warp.index(of: step), lane: lane))
                }
            }, failingAt: step)
    }

    /// Lists: shared, mbarrier, coordinates. Numbers: offsets of shared and mbarrier, number of coordinates.
    static let tensorLoad: StepHandler = { w, s in
        let core = core(w)
        let step = step(s)
        let warp = core.pointee.warp
        let list = warp.list(step.pointee.x)
        let numbers = warp.program.numbers
        return core.forEachLane(
            { lane throws(InvalidUse) in
                let shared = core.sharedAddress(list[0], numbers[step.pointee.y], lane)
                let mbarrier = core.sharedAddress(list[1], numbers[step.pointee.y + 1], lane)
                let extent = try box(core, step, list + 2, numbers[step.pointee.y + 2], shared, lane)
                _ = try warp.block.mbarriers.existing(mbarrier)
                warp.machine.start(
                    load: CopyOperation(
                        extent: extent, warp: warp, step: warp.index(of: step), lane: lane, mbarrier: mbarrier))
            }, failingAt: step)
    }

    /// Lists: shared, coordinates. Numbers: offset of shared, number of coordinates.
    static let tensorStore: StepHandler = { w, s in
        let core = core(w)
        let step = step(s)
        let warp = core.pointee.warp
        let list = warp.list(step.pointee.x)
        let numbers = warp.program.numbers
        return core.forEachLane(
            { lane throws(InvalidUse) in
                let shared = core.sharedAddress(list[0], numbers[step.pointee.y], lane)
                let extent = try box(core, step, list + 1, numbers[step.pointee.y + 1], shared, lane)
                warp.machine.start(
                    store: CopyOperation(
                        extent: extent, warp: warp, step: warp.index(of: step), lane: lane,
                        group: warp.bulkGroups.current(lane: lane)))
            }, failingAt: step)
    }

    static let commit: StepHandler = { w, s in
        let core = core(w)
        let warp = core.pointee.warp
        return core.forEachLane({ lane throws(InvalidUse) in warp.bulkGroups.commit(lane: lane) }, failingAt: step(s))
    }

    /// `x` groups may be under way; `y` is 1 if it is enough that they have read.
    static let wait: StepHandler = { w, s in
        let core = core(w)
        let step = step(s)
        let warp = core.pointee.warp
        let reading = step.pointee.y == 1
        for lane in 0..<32 where core.pointee.mask >> UInt32(lane) & 1 != 0 {
            guard warp.bulkGroups.isSatisfied(lane: lane, pending: step.pointee.x, reading: reading) else {
                core.retry()
                warp.machine.suspend(warp, .bulk(pending: step.pointee.x, reading: reading))
                return StepOutcome.blocked
            }
        }
        return StepOutcome.proceed
    }

    private static func checkBulk(_ shared: UInt32, _ global: UInt64, _ bytes: Int) throws(InvalidUse) {
        guard bytes % 16 == 0, bytes > 0, shared % 16 == 0, global % 16 == 0 else {
            throw InvalidUse(
                "bulk copy of \(bytes) bytes between shared address \(shared) and global address "
                    + "0x\(String(global, radix: 16)); size and addresses must be multiples of 16, the size not zero")
        }
    }

    private static func box(
        _ core: UnsafeMutablePointer<WarpCore>, _ step: UnsafePointer<Step>, _ list: UnsafePointer<Int32>, _ count: Int,
        _ shared: UInt32, _ lane: Int
    ) throws(InvalidUse) -> CopyOperation.Extent {
        guard let map = core.pointee.warp.block.run.tensorMaps[step.pointee.z] else {
            throw InvalidUse("parameter \(step.pointee.z) is not a tensor map")
        }
        guard map.dimensions.count == count else {
            throw InvalidUse("\(count) coordinates for a tensor map of \(map.dimensions.count) dimensions")
        }
        guard shared % 128 == 0 else {
            throw InvalidUse("box at shared address \(shared); it must be a multiple of 128")
        }
        let coordinates = (0..<count).map { Int(core.lanes(list[$0], as: Int32.self)[lane]) }
        return .box(map: map, coordinates: coordinates, shared: shared)
    }
}

extension UnsafeMutablePointer<WarpCore> {
    @inline(__always)
    func globalAddress(_ operand: Int32, _ offset: Int, _ lane: Int) -> UInt64 {
        lanes(operand, as: UInt64.self)[lane] &+ UInt64(truncatingIfNeeded: offset)
    }
}
