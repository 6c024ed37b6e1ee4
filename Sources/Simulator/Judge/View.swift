import KernelLanguage

/// What a thread knows to have happened before it goes on.
///
/// A value behind one reference: views are handed on far more often than they change.
struct View {
    private final class Clocks {
        @exclusivity(unchecked) var seen = VectorClock()
        @exclusivity(unchecked) var fencedShared = VectorClock()
        @exclusivity(unchecked) var fencedGlobal = VectorClock()

        init() {}

        init(_ other: Clocks) {
            (seen, fencedShared, fencedGlobal) = (other.seen, other.fencedShared, other.fencedGlobal)
        }

        var isEmpty: Bool { seen.isEmpty && fencedShared.isEmpty && fencedGlobal.isEmpty }

        /// Whether all that the other knows is known.
        func covers(_ other: Clocks) -> Bool {
            seen.covers(other.seen) && fencedShared.covers(other.fencedShared)
                && fencedGlobal.covers(other.fencedGlobal)
        }
    }

    private var clocks = Clocks()

    /// Events that come before, in causality order.
    var seen: VectorClock {
        @inline(__always) _read { yield clocks.seen }
        _modify {
            makeUnique()
            yield &clocks.seen
        }
    }

    /// Of those, the ones with a proxy fence for shared memory on the way: asynchronous operations come after them too.
    var fencedShared: VectorClock {
        @inline(__always) _read { yield clocks.fencedShared }
        _modify {
            makeUnique()
            yield &clocks.fencedShared
        }
    }

    /// The same for global memory.
    var fencedGlobal: VectorClock {
        @inline(__always) _read { yield clocks.fencedGlobal }
        _modify {
            makeUnique()
            yield &clocks.fencedGlobal
        }
    }

    private mutating func makeUnique() {
        if !isKnownUniquelyReferenced(&clocks) { clocks = Clocks(clocks) }
    }

    mutating func join(_ other: View) {
        let theirs = other.clocks
        if clocks === theirs { return }
        if clocks.isEmpty {
            clocks = theirs
            return
        }
        // Most joins bring nothing new; those must not copy.
        if clocks.covers(theirs) { return }
        makeUnique()
        clocks.seen.join(theirs.seen)
        clocks.fencedShared.join(theirs.fencedShared)
        clocks.fencedGlobal.join(theirs.fencedGlobal)
    }

    /// Whether an event is known, with a proxy fence for memory of `space` on the way.
    func knows(fenced event: MemoryEvent, in space: MemorySpace) -> Bool {
        space == .shared ? clocks.fencedShared.knows(event) : clocks.fencedGlobal.knows(event)
    }

    /// A proxy fence after all that is known.
    mutating func fence(_ fence: ProxyFence) {
        guard fence != .barrierInit else { return }
        makeUnique()
        if fence == .asyncShared || fence == .async { clocks.fencedShared.join(clocks.seen) }
        if fence == .asyncGlobal || fence == .async { clocks.fencedGlobal.join(clocks.seen) }
    }

    /// All of a slot is known, to both proxies: for what is complete.
    mutating func learnCompletely(_ slot: UInt32, _ time: UInt32) {
        seen.learn(slot, time)
        fencedShared.learn(slot, time)
        fencedGlobal.learn(slot, time)
    }
}

/// What a release passes on to those that acquire it.
struct Message {
    var view: View
    private(set) var scope: MemoryScope
    /// Who released.
    let writer: MemoryEvent

    /// The same where the store that carries it is of `other` scope.
    func narrowed(to other: MemoryScope) -> Message {
        var result = self
        if other.rank < scope.rank { result.scope = other }
        return result
    }
}

extension MemoryScope {
    /// Grows with the threads that the scope holds.
    fileprivate var rank: Int {
        switch self {
        case .block: 0
        case .cluster: 1
        case .gpu: 2
        case .system: 3
        }
    }
}

extension MemoryOrder {
    var acquires: Bool { strength == .acquire || strength == .acquireRelease }
    var releases: Bool { strength == .release || strength == .acquireRelease }
}
