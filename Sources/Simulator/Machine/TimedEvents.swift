/// Something that happens at a moment of simulated time.
enum TimedAction {
    /// A sleep ends; void if the warp's count of waits has changed.
    case wake(Warp, UInt32)
    /// The time limit of a try-wait; void if the warp's count of try-waits has changed.
    case limit(Warp, UInt32)
    case load(CopyOperation)
    case read(CopyOperation)
    case perform(CopyOperation)
    /// The oldest multiply of the warp completes.
    case multiply(Warp)
    /// The network does part of a transfer.
    case network(NetworkAction)
    /// The next item of the stream may start.
    case stream(StreamState)

    /// Whether it changes what others can see, rather than just ending a wait.
    var isWork: Bool {
        switch self {
        case .wake, .limit: false
        case .load, .read, .perform, .multiply, .network, .stream: true
        }
    }

    /// Whether it starts an item of a stream.
    var isStart: Bool { if case .stream = self { true } else { false } }

    /// Whether it has nothing left to do: the wait that it would end is over, or the warp has finished.
    var isVoid: Bool {
        switch self {
        case .wake(let warp, let wait): warp.wait != wait
        case .limit(let warp, let number): warp.tryWaits != number || warp.isFinished
        case .multiply(let warp): warp.isFinished
        case .load, .read, .perform, .network, .stream: false
        }
    }
}

/// The events to come, earliest first; events of the same moment in the order in which they were scheduled.
struct TimedEvents {
    struct Event {
        let time: UInt64
        let sequence: UInt64
        let action: TimedAction

        @inline(__always)
        func isBefore(_ other: Event) -> Bool { (time, sequence) < (other.time, other.sequence) }
    }

    private var heap: [Event] = []
    private var sequence: UInt64 = 0
    /// Events that are work.
    private(set) var workCount = 0

    var first: Event? { heap.first }

    mutating func add(_ action: TimedAction, at time: UInt64) {
        sequence += 1
        if action.isWork { workCount += 1 }
        insert(Event(time: time, sequence: sequence, action: action))
    }

    private mutating func insert(_ event: Event) {
        heap.append(event)
        var index = heap.count - 1
        while index > 0, heap[index].isBefore(heap[(index - 1) / 2]) {
            heap.swapAt(index, (index - 1) / 2)
            index = (index - 1) / 2
        }
    }

    /// Takes out the events whose actions satisfy the condition. Gives them, earliest first.
    mutating func removeAll(where isOut: (TimedAction) -> Bool) -> [Event] {
        let all = heap
        heap = []
        var out: [Event] = []
        for event in all {
            if isOut(event.action) { out.append(event) } else { insert(event) }
        }
        workCount -= out.count(where: \.action.isWork)
        return out.sorted { $0.isBefore($1) }
    }

    mutating func removeFirst() -> TimedAction {
        heap.swapAt(0, heap.count - 1)
        let event = heap.removeLast()
        var index = 0
        while true {
            var smallest = index
            for child in [2 * index + 1, 2 * index + 2] where child < heap.count {
                if heap[child].isBefore(heap[smallest]) { smallest = child }
            }
            if smallest == index { break }
            heap.swapAt(index, smallest)
            index = smallest
        }
        if event.action.isWork { workCount -= 1 }
        return event.action
    }
}
