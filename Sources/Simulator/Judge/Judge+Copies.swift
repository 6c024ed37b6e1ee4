import KernelLanguage

/// What an asynchronous copy or multiply knows: what its issuer knew, and its own place among the events.
final class JudgedCopy {
    let view: View
    let slot: UInt32
    let reading: MemoryEvent
    let writing: MemoryEvent
    let block: Int

    init(view: View, reading: MemoryEvent, writing: MemoryEvent, block: Int) {
        self.view = view
        self.slot = reading.slot
        self.reading = reading
        self.writing = writing
        self.block = block
    }

    func accessor(_ space: MemorySpace) -> Accessor { .asynchronous(view, block: block, space) }
}

/// Asynchronous copies and multiplies. Each is a thread of its own that starts with what its issuer knows; others know
/// of it only by waiting for it.
extension Judge {
    /// A copy is issued. Gives false if its mbarrier is not ready for the asynchronous proxy; the failure is then set.
    func issue(_ copy: CopyOperation, isLoad: Bool) -> Bool {
        guard let judged = copy.warp.judged, let block = copy.block.judged else { return true }
        if isLoad, !checkBarrier(copy, judged, block) { return false }
        let view = judged.publish(copy.lane)
        let index =
            judged.copySlots.prefix(16).firstIndex {
                $0.isOver && view.seen.knows(MemoryEvent(slot: $0.slot, time: $0.time))
            } ?? judged.copySlots.count
        if index == judged.copySlots.count {
            judged.copySlots.append(.init(slot: makeSlot(.copies, of: copy.warp), time: 0, isOver: true))
        }
        judged.copySlots[index].isOver = false
        judged.copySlots[index].time += 2
        let (slot, time) = (judged.copySlots[index].slot, judged.copySlots[index].time)
        var reading = judged.event(copy.lane, step: copy.step, .asynchronous)
        (reading.slot, reading.time) = (slot, time - 1)
        var writing = reading
        writing.time = time
        writing.kind = [.asynchronous, .write]
        let own = JudgedCopy(view: view, reading: reading, writing: writing, block: block.number)
        copy.judged = own
        if !isLoad { judged.open(own, copy.lane) }
        judged.advance()
        return true
    }

    /// Whether the mbarrier's initialisation comes before, with the fence that the asynchronous proxy needs.
    private func checkBarrier(_ copy: CopyOperation, _ judged: JudgedWarp, _ block: JudgedBlock) -> Bool {
        guard let barrier = block.mbarriers[copy.mbarrier] else { return true }
        if barrier.fences.contains(where: { judged.knows($0, copy.lane) }) { return true }
        let offset = Int(copy.mbarrier) - Int(BlockState.firstSharedAddress)
        let event = judged.event(copy.lane, step: copy.step, .asynchronous)
        report(
            barrier.initialised, event, .asynchronous(judged.publish(copy.lane), block: block.number, .shared),
            copy.block.shared, offset: offset, size: 8, .shared)
        return false
    }

    /// A load has written: those that wait for the mbarrier's phase learn of it.
    func complete(load copy: CopyOperation) {
        guard let judged = copy.judged else { return }
        copy.block.judged?.mbarriers[copy.mbarrier]?.arriving.seen.learn(judged.slot, judged.writing.time)
        end(copy)
    }

    func end(_ copy: CopyOperation) {
        guard let judged = copy.judged, let warp = copy.warp.judged,
            let index = warp.copySlots.firstIndex(where: { $0.slot == judged.slot })
        else { return }
        warp.copySlots[index].isOver = true
    }

    /// The lanes have waited for their groups of stores.
    func waited(_ core: Core, pending: Int, reading: Bool) {
        let warp = core.pointee.warp
        guard let judged = warp.judged else { return }
        for lane in 0..<32 where core.pointee.mask >> UInt32(lane) & 1 != 0 {
            for event in judged.waitForStores(lane, pending: pending, reading: reading) {
                waitedFor[event.slot] = max(waitedFor[event.slot] ?? 0, event.time)
            }
        }
    }

    /// A multiply is issued.
    func issue(_ operation: inout MultiplyQueue.Operation, _ warp: Warp) {
        guard let judged = warp.judged, let block = warp.block.judged else { return }
        if judged.multiplySlot == 0 { judged.multiplySlot = makeSlot(.multiplies, of: warp) }
        judged.multiplyTime += 1
        let event = MemoryEvent(
            slot: judged.multiplySlot, time: judged.multiplyTime, step: UInt32(operation.step), lane: 0,
            kind: .asynchronous)
        // All lanes issue it together, so each one's past must be fenced: what all of them know is what it knows.
        operation.judged = JudgedCopy(
            view: judged.publishAll(), reading: event, writing: event, block: block.number)
        judged.advance()
    }

    /// All but the last groups of multiplies of the warp are over.
    func waitedForMultiplies(_ warp: Warp) {
        guard let judged = warp.judged, judged.multiplySlot != 0 else { return }
        let left = warp.multiplies.operations.first?.judged?.reading.time ?? judged.multiplyTime + 1
        var view = View()
        view.seen.learn(judged.multiplySlot, left - 1)
        judged.learn(view)
    }
}
