import KernelLanguage

/// Resolves the addresses of lanes to the simulator's own memory. Every load, store and atomic operation goes through
/// here: bounds, alignment and the map of written bytes.
extension UnsafeMutablePointer<WarpCore> {
    /// What an access does with the bytes.
    enum Access { case read, write, update }

    /// Fills `pointers` for the active lanes, each of which accesses `count` bytes at its address in `a` plus `x`.
    ///
    /// - Returns: False if some lane's access is a fault; the machine's failure is then set.
    @inline(__always)
    func resolve(_ space: MemorySpace, _ step: UnsafePointer<Step>, count: Int, _ access: Access) -> Bool {
        space == .global
            ? resolveGlobal(step, count: count, access) : resolveShared(step, count: count, access)
    }

    @inline(__always)
    private func resolveGlobal(_ step: UnsafePointer<Step>, count: Int, _ access: Access) -> Bool {
        let addresses = lanes(step.pointee.a, as: UInt64.self)
        let offset = UInt64(truncatingIfNeeded: step.pointee.x)
        let alignment = UInt64(truncatingIfNeeded: count) &- 1
        let pointers = pointee.pointers
        var remaining = pointee.mask
        while remaining != 0 {
            let lane = remaining.trailingZeroBitCount
            remaining &= remaining &- 1
            let address = addresses[lane] &+ offset
            guard let region = pointee.global.pointee.find(address, count: count) else {
                return fault(.global, step, lane, address, count, .bounds)
            }
            if address & alignment != 0 { return fault(.global, step, lane, address, count, .alignment) }
            let within = Int(truncatingIfNeeded: address &- region.pointee.base)
            if region.pointee.uninitialisedBytes != 0 {
                if access != .write, !region.pointee.isInitialised(word: within, count: count) {
                    return fault(.global, step, lane, address, count, .uninitialised)
                }
                if access != .read { region.pointee.markInitialised(word: within, count: count) }
            }
            pointers[lane] = region.pointee.data + within
        }
        if access != .read { pointee.counters.pointee.progress &+= 1 }
        return true
    }

    @inline(__always)
    private func resolveShared(_ step: UnsafePointer<Step>, count: Int, _ access: Access) -> Bool {
        let addresses = lanes(step.pointee.a, as: UInt32.self)
        let offset = UInt32(truncatingIfNeeded: step.pointee.x)
        let alignment = UInt32(truncatingIfNeeded: count) &- 1
        let pointers = pointee.pointers
        let region = pointee.shared
        let checksState = region.pointee.uninitialisedBytes != 0
        var remaining = pointee.mask
        while remaining != 0 {
            let lane = remaining.trailingZeroBitCount
            remaining &= remaining &- 1
            let address = addresses[lane] &+ offset
            guard let within = region.pointee.offset(of: UInt64(address), count: count) else {
                return fault(.shared, step, lane, UInt64(address), count, .bounds)
            }
            if address & alignment != 0 { return fault(.shared, step, lane, UInt64(address), count, .alignment) }
            if checksState {
                if access != .write, !region.pointee.isInitialised(word: within, count: count) {
                    return fault(.shared, step, lane, UInt64(address), count, .uninitialised)
                }
                if access != .read { region.pointee.markInitialised(word: within, count: count) }
            }
            pointers[lane] = region.pointee.data + within
        }
        if access != .read { pointee.counters.pointee.progress &+= 1 }
        return true
    }

    enum Fault { case bounds, alignment, uninitialised }

    /// Sets the machine's failure; always false.
    @inline(never)
    private func fault(
        _ space: MemorySpace, _ step: UnsafePointer<Step>, _ lane: Int, _ address: UInt64, _ count: Int, _ kind: Fault
    ) -> Bool {
        let warp = pointee.warp
        let fault = AccessFault(
            place: warp.place(of: warp.index(of: step), lane: lane), space: space, address: address, bytes: count,
            nearest: warp.machine.nearest(space, address, warp.block))
        switch kind {
        case .bounds: warp.machine.fail(.outOfBounds(fault))
        case .alignment: warp.machine.fail(.misaligned(fault, alignment: count))
        case .uninitialised: warp.machine.fail(.uninitialised(fault))
        }
        return false
    }
}
