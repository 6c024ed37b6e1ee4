/// What is under way in a machine's network.
struct NetworkState {
    /// Transfers that are not complete, by lane in the order of their issue.
    private(set) var queues: [NetworkLane: [NetworkTransfer]] = [:]
    /// Warps that wait for room in a queue, or for sources to have been read.
    private(set) var waiting: [Warp] = []
    /// The number of the last transfer.
    private(set) var lastNumber: UInt64 = 0

    /// Whether nothing is under way.
    var isIdle: Bool { queues.isEmpty }

    /// Whether some warp waits for sources to have been read, and will give up in the end.
    var isFlushing: Bool { waiting.contains { if case .networkFlush = $0.state { true } else { false } } }

    mutating func nextNumber() -> UInt64 {
        lastNumber += 1
        return lastNumber
    }

    func count(_ lane: NetworkLane) -> Int { queues[lane]?.count ?? 0 }

    /// Whether the sources of all transfers up to `number` have been read.
    func hasRead(_ lane: NetworkLane, upTo number: UInt64) -> Bool {
        queues[lane]?.allSatisfy { $0.unread == 0 || $0.number > number } ?? true
    }

    /// The transfer whose turn it is on a connection.
    func first(_ lane: NetworkLane) -> NetworkTransfer? { queues[lane]?.first }

    mutating func add(_ transfer: NetworkTransfer) { queues[transfer.lane, default: []].append(transfer) }

    /// A transfer is complete.
    mutating func remove(_ transfer: NetworkTransfer) {
        queues[transfer.lane]?.removeAll { $0 === transfer }
        if queues[transfer.lane]?.isEmpty ?? false { queues[transfer.lane] = nil }
    }

    mutating func wait(_ warp: Warp) { waiting.append(warp) }

    mutating func stopWaiting(_ warp: Warp) { waiting.removeAll { $0 === warp } }

    /// Takes out the warps that wait for something on the lane.
    mutating func takeWaiting(for lane: NetworkLane) -> [Warp] {
        let found = waiting.filter { $0.waitsFor(lane) }
        waiting.removeAll { $0.waitsFor(lane) }
        return found
    }
}

extension Warp {
    fileprivate func waitsFor(_ lane: NetworkLane) -> Bool {
        switch state {
        case .networkQueue(lane), .networkFlush(lane): true
        default: false
        }
    }
}
