import KernelLanguage

/// What a network operation knows and makes known. Its reading and its writing are threads of their own: a flush says
/// that the source has been read, the operation's own word that the target has been written, and neither says both.
final class JudgedTransfer {
    /// What its issuer had done and observed.
    let view: View
    /// The issue, as an event of the issuer.
    let issued: MemoryEvent
    let reading: MemoryEvent
    let writing: MemoryEvent
    /// The change of its word, if it has one.
    let change: MemoryEvent?

    init(view: View, issued: MemoryEvent, reading: MemoryEvent, writing: MemoryEvent, change: MemoryEvent?) {
        self.view = view
        self.issued = issued
        self.reading = reading
        self.writing = writing
        self.change = change
    }
}

/// The network under a judge.
extension Judge {
    /// A lane issues a transfer: a release at system scope, and the start of two threads that know what it knows.
    func issue(_ transfer: NetworkTransfer, by warp: Warp, lane: Int, step: Int) {
        guard let judged = warp.judged else { return }
        var view = judged.publish(lane)
        let issued = judged.event(lane, step: step, .strong(.system))
        var reading = issued
        (reading.slot, reading.time, reading.kind) = (makeNetworkSlot(of: warp), 1, .asynchronous)
        var writing = reading
        (writing.slot, writing.kind) = (makeNetworkSlot(of: warp), [.asynchronous, .write])
        var change = writing
        (change.time, change.kind) = (2, [.asynchronous, .write, .network, .wide, .strong(.system)])
        if transfer.word?.isAdd ?? false { change.kind.insert(.adding) }
        if machine.configuration.network.reliesOnOrder {
            view.seen.join(connectedWrites[transfer.lane] ?? VectorClock())
            connectedWrites[transfer.lane, default: VectorClock()].learn(writing.slot, change.time)
        }
        let own = JudgedTransfer(
            view: view, issued: issued, reading: reading, writing: writing, change: transfer.word == nil ? nil : change)
        transfer.judged = own
        (transfers[reading.slot], transfers[writing.slot]) = (own, own)
        if transfer.payload != nil { puts[transfer.lane, default: []].append(own) }
        judged.advance()
    }

    /// A slot for what the network does for a warp, which may be long after its kernel.
    private func makeNetworkSlot(of warp: Warp) -> UInt32 {
        let run = warp.block.run
        let stable = Interleaving.mix(UInt64(run.number), UInt64(warp.block.index << 8 | warp.index))
        return makeSlot(
            SlotOwner(
                kind: .network, program: run.program, run: run.number, stream: run.stream.label, rank: run.stream.rank,
                block: warp.block.index, warp: warp.index, blockNumber: -2, clusterNumber: -2, stableNumber: stable))
    }

    /// A flush has told a lane that sources have been read: those of the puts whose issue it knows of.
    func flushed(_ lane: NetworkLane, _ warp: Warp, _ index: Int) {
        guard let judged = warp.judged, let puts = puts[lane] else { return }
        var view = View()
        for put in puts where judged.knows(put.issued, index) {
            view.seen.learn(put.reading.slot, put.reading.time)
            waitedFor[put.reading.slot] = put.reading.time
        }
        judged.learn(index, view)
    }

    /// A transfer is about to change its word. False if that is a race; the failure is then set.
    func beginChange(
        _ transfer: JudgedTransfer, _ region: UnsafeMutablePointer<Region>, _ offset: Int
    ) -> Bool {
        guard let change = transfer.change else { return true }
        // Starts the word's history with the value in memory, if it has none yet.
        _ = location(region, offset, bytes: 8)
        return access(region, offset, 8, change, .host(transfer.view), in: .global)
    }

    /// A transfer has changed its word. Whoever acquires the word knows what the issuer knew and that the transfer's
    /// own bytes have arrived, and after an add also what earlier adds published.
    func endChange(
        _ transfer: JudgedTransfer, to value: UInt64, _ region: UnsafeMutablePointer<Region>, _ offset: Int
    ) {
        guard let change = transfer.change else { return }
        let location = location(region, offset, bytes: 8)
        var message = Message(view: transfer.view, scope: .system, writer: change)
        message.view.seen.learn(change.slot, change.time)
        let handed = change.kind.contains(.adding) ? location.newest?.messages ?? [] : []
        location.append(
            .init(value: value, event: change, messages: Self.merged(handed) + [message], knowledge: nil))
        interleaving.note(location.stableNumber, owner(change.slot).stableNumber, UInt64(change.lane), 5)
    }
}
