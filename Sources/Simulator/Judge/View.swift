import KernelLanguage

/// What a thread knows to have happened before it goes on.
struct View {
    /// Events that come before, in causality order.
    var seen = VectorClock()
    /// Of those, the ones with a proxy fence for shared memory on the way: asynchronous operations come after them too.
    var fencedShared = VectorClock()
    /// The same for global memory.
    var fencedGlobal = VectorClock()

    mutating func join(_ other: View) {
        seen.join(other.seen)
        fencedShared.join(other.fencedShared)
        fencedGlobal.join(other.fencedGlobal)
    }

    func fenced(_ space: MemorySpace) -> VectorClock { space == .shared ? fencedShared : fencedGlobal }

    /// A proxy fence after all that is known.
    mutating func fence(_ fence: ProxyFence) {
        if fence == .asyncShared || fence == .async { fencedShared.join(seen) }
        if fence == .asyncGlobal || fence == .async { fencedGlobal.join(seen) }
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
