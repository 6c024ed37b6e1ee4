import KernelLanguage

/// The network: it reads sources late and in pieces, writes them in any order, and changes a word when the bytes of its
/// own put have arrived.
extension SimulatedMachine {
    /// A lane has issued a transfer, for which its queue has room.
    func start(_ transfer: NetworkTransfer) {
        network.add(transfer)
        counters.pointee.progress &+= 1
        for piece in 0..<transfer.pieces { schedule(transfer, .read(piece), after: delay(300...3000)) }
        if transfer.pieces == 0 { deliverInTurn(transfer) }
    }

    /// How many pieces a payload travels in.
    func pieces(of bytes: Int) -> Int {
        let most = min(bytes / 16, 3)
        return judge == nil ? 1 + random.below(most) : [min(2, most), 1, most][choose(.place, most)]
    }

    /// Lets part of a transfer happen, unless one of its ends is halted: then it waits for that one.
    private func schedule(_ transfer: NetworkTransfer, _ part: NetworkAction.Part, after time: UInt64) {
        let action = TimedAction.network(NetworkAction(transfer: transfer, part: part))
        guard let halted = halts.holding(transfer.lane) else { return schedule(action, after: time) }
        if judge == nil { halted.events.append((action, time)) } else { halted.work.append(action) }
    }

    /// Performs one part of a transfer.
    func act(_ action: NetworkAction) {
        let transfer = action.transfer
        switch action.part {
        case .read(let piece):
            guard read(transfer, piece) else { return }
            transfer.unread -= 1
            if transfer.unread == 0 { resumeWaiting(for: transfer.lane) }
            if configuration.network.order == .unordered {
                schedule(transfer, .write(piece), after: delay(500...5000))
            } else if transfer.unread == 0 {
                deliverInTurn(transfer)
            }
        case .write(let piece):
            guard write(transfer, piece) else { return }
            transfer.unwritten -= 1
            guard transfer.unwritten == 0 else { return }
            if transfer.word == nil { finish(transfer) } else { schedule(transfer, .word, after: delay(0...500)) }
        case .word:
            guard changeWord(transfer) else { return }
            finish(transfer)
        }
    }

    /// Delivers what has been read; on a connection, behind the transfers issued earlier.
    private func deliverInTurn(_ transfer: NetworkTransfer) {
        if configuration.network.order == .connected, network.first(transfer.lane) !== transfer { return }
        for piece in 0..<transfer.pieces { schedule(transfer, .write(piece), after: delay(500...5000)) }
        if transfer.pieces == 0 { schedule(transfer, .word, after: delay(500...5000)) }
    }

    private func finish(_ transfer: NetworkTransfer) {
        network.remove(transfer)
        resumeWaiting(for: transfer.lane)
        guard configuration.network.order == .connected, let next = network.first(transfer.lane), next.unread == 0
        else { return }
        deliverInTurn(next)
    }

    private func resumeWaiting(for lane: NetworkLane) {
        for warp in network.takeWaiting(for: lane) { resume(warp) }
    }

    // Memory. Each gives false after a failure.

    private func read(_ transfer: NetworkTransfer, _ piece: Int) -> Bool {
        guard let payload = transfer.payload else { return true }
        let range = transfer.range(piece)
        let address = payload.source + UInt64(range.lowerBound)
        guard let (source, from) = memory.find(address, count: range.count) else {
            fail(outOfBounds: .global, address, range.count, transfer.place)
            return false
        }
        if let judge, let judged = transfer.judged,
            !judge.access(source, from, range.count, judged.reading, .host(judged.view), in: .global)
        {
            return false
        }
        var staged = Region(base: 0, bytes: range.count)
        staged.copy(0, from: source.pointee, from, count: range.count)
        transfer.staged[piece] = staged
        return true
    }

    private func write(_ transfer: NetworkTransfer, _ piece: Int) -> Bool {
        guard let payload = transfer.payload, let staged = transfer.staged[piece] else { return true }
        let range = transfer.range(piece)
        let address = payload.target + UInt64(range.lowerBound)
        guard let (target, to) = memory.find(address, count: range.count) else {
            fail(outOfBounds: .global, address, range.count, transfer.place)
            return false
        }
        if let judge, let judged = transfer.judged,
            !judge.access(target, to, range.count, judged.writing, .host(judged.view), in: .global)
        {
            return false
        }
        target.pointee.copy(to, from: staged, 0, count: range.count)
        return true
    }

    private func changeWord(_ transfer: NetworkTransfer) -> Bool {
        guard let word = transfer.word else { return true }
        guard let (target, offset) = memory.find(word.address, count: 8) else {
            fail(outOfBounds: .global, word.address, 8, transfer.place)
            return false
        }
        if word.isAdd, target.pointee.firstUninitialised(offset, count: 8) != nil {
            fail(
                .uninitialised(
                    AccessFault(
                        place: transfer.place, space: .global, address: word.address, bytes: 8,
                        nearest: memory.nearest(word.address))))
            return false
        }
        if let judge, let judged = transfer.judged, !judge.beginChange(judged, target, offset) { return false }
        // Another process may read the word, and the payload behind it.
        let (_, value) = UInt64.systemUpdate(target.pointee.data + offset) {
            word.isAdd ? $0 &+ word.value : word.value
        }
        target.pointee.markInitialised(offset, count: 8)
        if let judge, let judged = transfer.judged { judge.endChange(judged, to: value, target, offset) }
        return true
    }
}
