import KernelLanguage

/// An execution that has run to its end: its events, and the source of each read. Whether the model allows it depends
/// on what is still open: the orders of writes and of fences, and who meets at barriers.
struct Candidate {
    let test: LitmusTest
    /// First the initial write of each memory, of no thread.
    let events: [Event]
    /// The value of each read and write.
    let values: [Int]
    /// For each read, the write that it has read from.
    let source: [Int?]
    /// False for the write of a compare-and-swap that failed.
    let isPresent: [Bool]
    /// Registers of each thread at the end.
    let registers: [(Int) -> Int]

    /// Most events that an execution may have.
    static let eventLimit = 64

    var count: Int { events.count }

    func isInitial(_ event: Int) -> Bool { events[event].thread < 0 }

    func isBefore(_ a: Int, _ b: Int) -> Bool {
        events[a].thread == events[b].thread && !isInitial(a) && a < b
    }

    /// Both are operations that others may rely on: in one thread, or strong and in each other's scope; through the
    /// same proxy and, of memory, the same address (PTX ISA, "Morally strong operations").
    func areMorallyStrong(_ a: Int, _ b: Int) -> Bool {
        let (first, second) = (events[a], events[b])
        guard a != b, first.proxy == second.proxy, first.thread >= 0, second.thread >= 0 else { return false }
        if first.isMemory, second.isMemory, first.address != second.address { return false }
        if first.thread == second.thread { return true }
        guard let scope = first.order.scope, let other = second.order.scope else { return false }
        let (own, theirs) = (test.threads[first.thread], test.threads[second.thread])
        return own.includes(theirs, scope) && theirs.includes(own, other)
    }
}
