/// What is known to have happened: for each slot (a warp, an asynchronous copy, a stream's host work) up to which of
/// its times, for all of its lanes or for single ones.
struct VectorClock {
    private struct Single {
        let key: UInt32
        var time: UInt32
    }

    /// By slot: everything of all lanes up to this time.
    private var times: [UInt32] = []
    /// Single lanes that are known further than all of their slot.
    private var singles: [Single] = []

    private static func key(_ slot: UInt32, _ lane: UInt8) -> UInt32 { slot << 5 | UInt32(lane & 31) }

    /// Whether the event is known; one of several lanes only if all lanes are.
    @inline(__always)
    func knows(_ event: MemoryEvent) -> Bool {
        if Int(event.slot) < times.count, times[Int(event.slot)] >= event.time { return true }
        return singles.isEmpty ? false : knowsSingle(event)
    }

    private func knowsSingle(_ event: MemoryEvent) -> Bool {
        guard event.lane != MemoryEvent.severalLanes else { return false }
        let key = Self.key(event.slot, event.lane)
        return singles.contains { $0.key == key && $0.time >= event.time }
    }

    /// Learns of all lanes of the slot up to `time`.
    mutating func learn(_ slot: UInt32, _ time: UInt32) {
        let index = Int(slot)
        if index >= times.count { times.append(contentsOf: repeatElement(0, count: index + 1 - times.count)) }
        if times[index] < time { times[index] = time }
        if !singles.isEmpty { singles.removeAll { $0.key >> 5 == slot && $0.time <= times[index] } }
    }

    /// Learns of one lane of the slot up to `time`.
    mutating func learn(_ slot: UInt32, lane: UInt8, _ time: UInt32) {
        if Int(slot) < times.count, times[Int(slot)] >= time { return }
        let key = Self.key(slot, lane)
        if let index = singles.firstIndex(where: { $0.key == key }) {
            singles[index].time = max(singles[index].time, time)
        } else {
            singles.append(Single(key: key, time: time))
        }
    }

    /// Whether nothing is known.
    var isEmpty: Bool { times.isEmpty && singles.isEmpty }

    /// Whether all that `other` knows is known.
    func covers(_ other: VectorClock) -> Bool {
        if !isSame(other), isBehind(other) { return false }
        return other.singles.allSatisfy { single in
            (Int(single.key >> 5) < times.count && times[Int(single.key >> 5)] >= single.time)
                || singles.contains { $0.key == single.key && $0.time >= single.time }
        }
    }

    /// Whether some slot of `other` is further. No early exit, so that the loop vectorises.
    private func isBehind(_ other: VectorClock) -> Bool {
        times.withUnsafeBufferPointer { ours in
            other.times.withUnsafeBufferPointer { theirs in
                var further: UInt32 = 0
                let common = min(ours.count, theirs.count)
                for index in 0..<common { further |= theirs[index] > ours[index] ? 1 : 0 }
                for index in common..<theirs.count { further |= theirs[index] }
                return further != 0
            }
        }
    }

    /// Learns all that `other` knows.
    mutating func join(_ other: VectorClock) {
        if times.isEmpty {
            times = other.times
        } else if !isSame(other), isBehind(other) {
            let count = other.times.count
            if times.count < count { times.append(contentsOf: repeatElement(0, count: count - times.count)) }
            times.withUnsafeMutableBufferPointer { ours in
                other.times.withUnsafeBufferPointer { theirs in
                    for index in 0..<count { ours[index] = max(ours[index], theirs[index]) }
                }
            }
        }
        if !other.singles.isEmpty || !singles.isEmpty { joinSingles(other) }
    }

    private mutating func joinSingles(_ other: VectorClock) {
        for single in other.singles { learn(single.key >> 5, lane: UInt8(single.key & 31), single.time) }
        singles.removeAll { Int($0.key >> 5) < times.count && times[Int($0.key >> 5)] >= $0.time }
    }

    private func isSame(_ other: VectorClock) -> Bool {
        times.count == other.times.count
            && times.withUnsafeBufferPointer { ours in
                other.times.withUnsafeBufferPointer { $0.baseAddress == ours.baseAddress }
            }
    }
}
