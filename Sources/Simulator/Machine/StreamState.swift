/// A stream of a simulated machine: its work runs in order.
public struct StreamID: Hashable, Sendable {
    let number: Int
}

/// An event of a simulated machine: a mark in a stream that other streams can wait for.
public struct EventID: Hashable, Sendable {
    let number: Int
}

/// One recording of an event.
final class EventRecord {
    /// Kernels before it in its stream that have not completed; it is done when there are none.
    var waitsFor: [KernelRun] = []
    var isDone = false
    /// For a judge: what is known once it is done.
    var clock = View()
}

/// The queue of a stream, and the kernels that run.
final class StreamState {
    enum Item {
        case launch(KernelRun, dependent: Bool)
        case hostWork(() throws -> Void)
        case record(EventRecord)
        case wait(EventRecord)
        /// For a judge: what the host knew when it queued what follows.
        case hostKnowledge(View)
    }

    let id: StreamID
    let label: String
    private var items: [Item] = []
    private var head = 0
    /// The rank whose work it runs; to a judge, each rank is a GPU.
    let rank: Int
    /// For a judge: what is known when all work so far is complete, and what the host knew.
    var clock = View()
    var hostClock = View()
    /// Slot of host work, and its time.
    var hostSlot: UInt32 = 0
    var hostTime: UInt32 = 0
    /// Kernels that have started and not completed, oldest first; several only with dependent launch.
    var running: [KernelRun] = []
    /// The kernel that a dependent launch would depend on.
    var last: KernelRun?
    /// Recordings that wait for kernels; what is behind them in the stream may go on.
    var openRecords: [EventRecord] = []
    /// The halt of its rank, if that is halted now.
    var halted: HaltedRank?
    /// A moment to start the next item has been set.
    var isStarting = false
    /// That moment has come.
    var mayStart = false

    init(_ id: StreamID, label: String, rank: Int) {
        self.id = id
        self.label = label
        self.rank = rank
    }

    var isEmpty: Bool { head >= items.count && running.isEmpty }
    /// Whether nothing in it will ever run again.
    var isOver: Bool { isEmpty || halted.map { $0.end == nil } ?? false }
    var next: Item? { head < items.count ? items[head] : nil }

    func append(_ item: Item) { items.append(item) }

    /// Skips an item that is no work. The moment to start the next item, if set, stays.
    func skipMark() {
        head += 1
        forgetIfDone()
    }

    func removeNext() {
        head += 1
        isStarting = false
        mayStart = false
        forgetIfDone()
    }

    private func forgetIfDone() {
        guard head == items.count else { return }
        items.removeAll()
        head = 0
    }
}
