/// A stream of a simulated machine: its work runs in order.
public struct StreamID: Hashable, Sendable {
    let index: Int
}

/// An event of a simulated machine: a mark in a stream that other streams can wait for.
public struct EventID: Hashable, Sendable {
    let index: Int
}

/// One recording of an event.
final class EventRecord {
    var isDone = false
}

/// What is queued in a stream and what runs.
final class StreamState {
    enum Item {
        case launch(KernelRun, dependent: Bool)
        case hostWork(() throws -> Void)
        case record(EventRecord)
        case wait(EventRecord)
    }

    let label: String
    private var items: [Item] = []
    private var head = 0
    /// Kernels that have started and not completed, oldest first; several only with dependent launch.
    var running: [KernelRun] = []
    /// A moment to start the next item has been set.
    var isStarting = false
    /// That moment has come.
    var mayStart = false

    init(label: String) { self.label = label }

    var isEmpty: Bool { head == items.count && running.isEmpty }
    var next: Item? { head < items.count ? items[head] : nil }

    func append(_ item: Item) { items.append(item) }

    func removeNext() {
        head += 1
        isStarting = false
        mayStart = false
        if head == items.count {
            items.removeAll()
            head = 0
        }
    }
}
