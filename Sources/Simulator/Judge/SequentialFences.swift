import KernelLanguage

/// The last sequentially consistent fence of each thread in each scope.
///
/// The order in which they happen is PTX's Fence-SC order. A thread's later fence knows all that its earlier one knew,
/// so the last one stands for those before it.
struct SequentialFences {
    private struct Key: Hashable {
        let slot: UInt32
        let lane: Int
        let scope: MemoryScope
    }

    private var last: [Key: Message] = [:]

    /// A fence of `lane` comes after all of those so far whose scope holds it and that its own scope holds.
    func learnEarlier(_ judged: JudgedWarp, _ lane: Int, _ scope: MemoryScope, _ judge: Judge) {
        let own = judge.owner(judged.slot)
        for message in last.values {
            let other = judge.owner(message.writer.slot)
            if own.includes(other, scope), other.includes(own, message.scope) { judged.learn(lane, message.view) }
        }
    }

    mutating func add(_ message: Message, _ lane: Int) {
        last[Key(slot: message.writer.slot, lane: lane, scope: message.scope)] = message
    }
}
