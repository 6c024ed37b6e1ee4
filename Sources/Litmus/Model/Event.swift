import KernelLanguage

/// One operation of a candidate execution, in the words of PTX's memory model.
struct Event {
    enum Kind {
        case read
        case write(Expression)
        case fence
        case proxyFence(LitmusProxy)
        case aliasFence
        case barrier(MetBarrier)
    }

    /// A barrier with what its numbers are in this execution.
    struct MetBarrier {
        let instance: Int
        let name: Int?
        let quorum: Int?
        let onlyArrives: Bool
        /// How often the thread has met this instance before.
        let occurrence: Int
    }

    let kind: Kind
    /// Index of the thread.
    let thread: Int
    /// Of a read or write: which memory, through which generic address, by which proxy.
    var memory = -1
    var address = -1
    var proxy = LitmusProxy.generic
    var order = MemoryOrder.weak
    /// Of a read-modify-write's read or write: the number of the other one.
    var partner: Int?
    /// Of a compare-and-swap's write: what the read must have got.
    var expected: Expression?

    var isRead: Bool { if case .read = kind { true } else { false } }
    var isWrite: Bool { if case .write = kind { true } else { false } }
    var isFence: Bool { if case .fence = kind { true } else { false } }
    var isMemory: Bool { isRead || isWrite }

    /// A read or write that is relaxed or stronger, or a fence.
    var isStrong: Bool { order != .weak }

    var acquires: Bool { isRead && (order.strength == .acquire || order.strength == .acquireRelease) }
    var releases: Bool { isWrite && (order.strength == .release || order.strength == .acquireRelease) }
}
