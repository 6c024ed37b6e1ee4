import KernelLanguage

/// The reads and writes of asynchronous copies, when their time has come.
extension SimulatedMachine {
    /// A load reads global memory, writes shared memory and reports to its mbarrier.
    func complete(load copy: CopyOperation) {
        let shared = copy.block.shared
        switch copy.extent {
        case .linear(let global, let address, let bytes):
            guard let (source, from) = memory.find(global, count: bytes) else {
                return fail(outOfBounds: .global, global, bytes, copy.place)
            }
            guard let to = shared.pointee.offset(of: UInt64(address), count: bytes) else {
                return fail(outOfBounds: .shared, UInt64(address), bytes, copy.place, in: copy.block)
            }
            guard judgeLoad(copy, source, from, to, bytes) else { return }
            shared.pointee.copy(to, from: source.pointee, from, count: bytes)
        case .box(let map, let coordinates, let address):
            BoxWalk.forEachRun(map, at: coordinates, shared: address) { place, bytes, global, inside in
                guard failure == nil else { return }
                guard let to = shared.pointee.offset(of: UInt64(place), count: bytes) else {
                    return fail(outOfBounds: .shared, UInt64(place), bytes, copy.place, in: copy.block)
                }
                guard judgeWrite(copy, .shared, shared, to, bytes) else { return }
                if inside.count < bytes { shared.pointee.zero(to, count: bytes) }
                guard !inside.isEmpty else { return }
                guard let (source, from) = memory.find(global, count: inside.count) else {
                    return fail(outOfBounds: .global, global, inside.count, copy.place)
                }
                guard judgeRead(copy, .global, source, from, inside.count) else { return }
                shared.pointee.copy(to + inside.lowerBound, from: source.pointee, from, count: inside.count)
            }
        }
        judge?.complete(load: copy)
        guard failure == nil, copy.block.liveWarps > 0 else { return }
        do throws(InvalidUse) {
            if try copy.block.mbarriers.complete(copy.mbarrier, bytes: copy.extent.bytes) {
                releaseWaiters(of: copy.mbarrier, in: copy.block)
            }
        } catch {
            fail(.invalidOperation(copy.place, problem: error.problem))
        }
    }

    /// A store reads shared memory.
    func read(store copy: CopyOperation) {
        let shared = copy.block.shared.pointee
        let bytes = copy.extent.bytes
        var staged = Region(base: 0, bytes: bytes)
        defer { copy.staged = staged }
        switch copy.extent {
        case .linear(_, let address, _):
            guard let from = shared.offset(of: UInt64(address), count: bytes) else {
                return fail(outOfBounds: .shared, UInt64(address), bytes, copy.place, in: copy.block)
            }
            guard judgeRead(copy, .shared, copy.block.shared, from, bytes) else { return }
            staged.copy(0, from: shared, from, count: bytes)
        case .box(let map, let coordinates, let address):
            var offset = 0
            BoxWalk.forEachRun(map, at: coordinates, shared: address) { place, run, _, _ in
                guard failure == nil else { return }
                guard let from = shared.offset(of: UInt64(place), count: run) else {
                    return fail(outOfBounds: .shared, UInt64(place), run, copy.place, in: copy.block)
                }
                guard judgeRead(copy, .shared, copy.block.shared, from, run) else { return }
                staged.copy(offset, from: shared, from, count: run)
                offset += run
            }
        }
        copy.group?.unread -= 1
        recheckBulkWait(copy.warp)
        schedule(.perform(copy), after: delay(100...900))
    }

    /// A store writes global memory.
    func perform(store copy: CopyOperation) {
        guard let staged = copy.staged else { return }
        switch copy.extent {
        case .linear(let global, _, let bytes):
            guard let (target, to) = memory.find(global, count: bytes) else {
                return fail(outOfBounds: .global, global, bytes, copy.place)
            }
            guard judgeWrite(copy, .global, target, to, bytes) else { return }
            target.pointee.copy(to, from: staged, 0, count: bytes)
        case .box(let map, let coordinates, let address):
            var offset = 0
            BoxWalk.forEachRun(map, at: coordinates, shared: address) { _, run, global, inside in
                defer { offset += run }
                guard failure == nil, !inside.isEmpty else { return }
                guard let (target, to) = memory.find(global, count: inside.count) else {
                    return fail(outOfBounds: .global, global, inside.count, copy.place)
                }
                guard judgeWrite(copy, .global, target, to, inside.count) else { return }
                target.pointee.copy(to, from: staged, offset + inside.lowerBound, count: inside.count)
            }
        }
        judge?.end(copy)
        copy.group?.unperformed -= 1
        recheckBulkWait(copy.warp)
        copy.block.run.pendingStores -= 1
        finishIfComplete(copy.block.run)
    }

    // With a judge: whether these bytes can be read or written without a race.

    private func judgeLoad(
        _ copy: CopyOperation, _ source: UnsafeMutablePointer<Region>, _ from: Int, _ to: Int, _ bytes: Int
    ) -> Bool {
        judgeRead(copy, .global, source, from, bytes) && judgeWrite(copy, .shared, copy.block.shared, to, bytes)
    }

    private func judgeRead(
        _ copy: CopyOperation, _ space: MemorySpace, _ region: UnsafeMutablePointer<Region>, _ offset: Int, _ bytes: Int
    ) -> Bool {
        guard let judge, let judged = copy.judged else { return true }
        return judge.access(region, offset, bytes, judged.reading, judged.accessor(space), in: space)
    }

    private func judgeWrite(
        _ copy: CopyOperation, _ space: MemorySpace, _ region: UnsafeMutablePointer<Region>, _ offset: Int, _ bytes: Int
    ) -> Bool {
        guard let judge, let judged = copy.judged else { return true }
        return judge.access(region, offset, bytes, judged.writing, judged.accessor(space), in: space)
    }

    private func recheckBulkWait(_ warp: Warp) {
        if case .bulk = warp.state { resume(warp) }
    }

    /// Wakes the warps that wait for the mbarrier at `address`.
    func releaseWaiters(of address: UInt32, in block: BlockState) {
        judge?.completePhase(of: address, in: block)
        var index = 0
        while index < block.mbarriers.waiting.count {
            let warp = block.mbarriers.waiting[index]
            if case .mbarrier(address, _) = warp.state {
                block.mbarriers.waiting.swapAt(index, block.mbarriers.waiting.count - 1)
                block.mbarriers.waiting.removeLast()
                resume(warp)
            } else {
                index += 1
            }
        }
    }
}
