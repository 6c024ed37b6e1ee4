import KernelLanguage

/// An access of a lane as its thread came to it; it may happen later.
struct FollowedAccess {
    let lane: Int
    let event: MemoryEvent
    /// What the thread knew.
    let view: View
    /// Fences before it: release patterns that end with it, if it writes.
    let fences: [Message]
    /// Scopes of what has gone past it and would have acquired what it reads: later fences, itself.
    var passed: [MemoryScope] = []
}

/// What a judge that follows races keeps of a thread.
struct FollowedLane {
    /// Its fences so far.
    var fences: [Message] = []
    /// Release patterns that it has observed, with the word: for fences, and for acquires of the word.
    var heard: [(word: ObjectIdentifier, head: Message)] = []

    mutating func hear(_ heads: [Message], from word: WordHistory) {
        let word = ObjectIdentifier(word)
        for head in heads
        where !heard.contains(where: { $0.word == word && $0.head.writer.isSameMoment(as: head.writer) }) {
            heard.append((word, head))
        }
    }
}
