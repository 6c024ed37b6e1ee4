import Synchronization

/// What a device's handles of one kind stand for. Numbers are never given twice in a process, so that the handle of
/// another device is not taken for one of this.
struct HandleTable<Entry> {
    private var entries: [Int: Entry] = [:]
    private let kind: DeviceError.HandleKind

    init(_ kind: DeviceError.HandleKind) { self.kind = kind }

    /// Keeps `entry` and returns its number.
    mutating func insert(_ entry: Entry) -> Int {
        let id = nextHandle.add(1, ordering: .relaxed).newValue
        entries[id] = entry
        return id
    }

    /// What handle `id` stands for. Throws `DeviceError.unknownHandle`.
    func find(_ id: Int) throws(DeviceError) -> Entry {
        guard let entry = entries[id] else { throw .unknownHandle(kind: kind, id: id) }
        return entry
    }

    /// Replaces what handle `id` stands for, which must exist.
    mutating func update(_ id: Int, _ entry: Entry) { entries[id] = entry }

    /// Everything, in no order.
    var values: Dictionary<Int, Entry>.Values { entries.values }
}

private let nextHandle = Atomic<Int>(0)
