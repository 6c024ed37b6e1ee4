import KernelLanguage

/// All accesses to a word, for a judge that follows races.
final class WordHistory {
    struct Access {
        let event: MemoryEvent
        /// What its thread knew.
        let view: View
        /// Of a write.
        var value: UInt64 = 0
        /// Its own release.
        var release: Message?
        /// All release patterns that it ends, or that it hands on as a read-modify-write.
        var heads: [Message] = []
    }

    /// One way in which an access can happen.
    struct Choice {
        /// The write that it reads from.
        var source: Int?
        /// It is a write, or has one.
        var writes: Bool
        let graph: CoherenceGraph
    }

    let pointer: UnsafeMutableRawPointer
    let bytes: Int
    /// Tells words apart, the same in every schedule.
    let stableNumber: UInt64
    private(set) var accesses: [Access]
    private var graph = CoherenceGraph()
    /// By thread: the write that it read from last, and how often in a row though there was a newer one.
    private var polls: [UInt64: (source: Int, count: Int)] = [:]

    /// How often in a row a thread may read the same old write: every write becomes visible eventually.
    private static let patience = 3

    init(_ pointer: UnsafeMutableRawPointer, bytes: Int, stableNumber: UInt64) {
        (self.pointer, self.bytes, self.stableNumber) = (pointer, bytes, stableNumber)
        accesses = []
        accesses = [Access(event: MemoryEvent(), view: View(), value: value)]
    }

    /// What the simulator's memory holds at the moment.
    var value: UInt64 {
        get { bytes == 8 ? pointer.load(as: UInt64.self) : UInt64(pointer.load(as: UInt32.self)) }
        set {
            if bytes == 8 {
                pointer.storeBytes(of: newValue, as: UInt64.self)
            } else {
                pointer.storeBytes(of: UInt32(truncatingIfNeeded: newValue), as: UInt32.self)
            }
        }
    }

    /// Whether there is no room for another read-modify-write.
    var isFull: Bool { accesses.count + 2 > CoherenceGraph.capacity }

    private static func key(_ event: MemoryEvent) -> UInt64 { UInt64(event.slot) << 8 | UInt64(event.lane) }

    /// Releases of the event's thread to the word so far.
    func releases(by event: MemoryEvent) -> [Message] {
        accesses.compactMap { Self.key($0.event) == Self.key(event) ? $0.release : nil }
    }

    /// Whether a read in `event` of the write at `source` can be relied on: both are morally strong.
    func isObservation(_ source: Int, _ event: MemoryEvent, _ judge: Judge) -> Bool {
        judge.areMorallyStrong(accesses[source].event, event)
    }

    private func relations(_ event: MemoryEvent, _ view: View, _ judge: Judge) -> CoherenceGraph.Relations {
        var result = CoherenceGraph.Relations()
        for (index, access) in accesses.enumerated() where access.event.exists {
            let bit = UInt64(1) << UInt64(index)
            if Self.key(access.event) == Self.key(event) {
                // Accesses of a thread to one word do not pass each other.
                result.before |= bit
                result.program |= bit
                result.strong |= bit
                continue
            }
            if view.seen.knows(access.event) { result.before |= bit }
            if access.view.seen.knows(event) { result.after |= bit }
            if judge.areMorallyStrong(access.event, event) { result.strong |= bit }
        }
        return result
    }

    /// All ways in which a write can happen.
    func writing(_ event: MemoryEvent, _ view: View, _ judge: Judge) -> [Choice] {
        graph.writing(relations(event, view, judge)).map { Choice(writes: true, graph: $0) }
    }

    /// All ways in which a load or a read-modify-write can happen, the newest write first.
    ///
    /// - Parameters:
    ///   - view: What the thread knows after reading from a write; nil if it must not.
    ///   - writes: Whether it writes when it finds a value.
    func reading(
        _ event: MemoryEvent, _ judge: Judge, view: (Int) -> View?, writes: (UInt64) -> Bool
    ) -> [Choice] {
        var result: [Choice] = []
        for source in graph.writes.members.reversed() {
            guard let view = view(source) else { continue }
            let relations = relations(event, view, judge)
            if writes(accesses[source].value) {
                result += graph.updating(relations, from: source).map {
                    Choice(source: source, writes: true, graph: $0)
                }
            } else if let next = graph.reading(relations, from: source) {
                result.append(Choice(source: source, writes: false, graph: next))
            }
        }
        if let poll = polls[Self.key(event)], poll.count >= Self.patience, let first = result.first {
            return [first]
        }
        return result
    }

    /// Adds the access in the way that was chosen.
    func append(_ choice: Choice, number: Int, _ read: Access?, _ write: Access?, _ judge: Judge) {
        if let read, let source = choice.source {
            let key = Self.key(read.event)
            let isSame = polls[key]?.source == source
            polls[key] = (source, number == 0 ? 0 : isSame ? (polls[key]?.count ?? 0) + 1 : 1)
            if write == nil, let earlier = repeated(read.event, source) {
                let relations = relations(read.event, read.view, judge)
                graph = graph.replacing(earlier, relations)
                accesses[earlier] = read
                return
            }
            accesses.append(read)
        }
        if let write { accesses.append(write) }
        graph = choice.graph
    }

    /// Of polls that find the same, the first and the last say all: the index of the last so far, if it is not the
    /// first.
    private func repeated(_ event: MemoryEvent, _ source: Int) -> Int? {
        let own = accesses.indices.filter { Self.key(accesses[$0].event) == Self.key(event) }.suffix(2)
        guard own.count == 2, let last = own.last,
            own.allSatisfy({ accesses[$0].event.kind == event.kind && graph.source(of: $0) == source })
        else { return nil }
        return last
    }

    /// Values that the word may have at the end.
    var lastValues: [UInt64] {
        var result: [UInt64] = []
        for write in graph.last.reversed() where !result.contains(accesses[write].value) {
            result.append(accesses[write].value)
        }
        return result
    }
}
