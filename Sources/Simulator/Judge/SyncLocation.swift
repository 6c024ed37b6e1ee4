import KernelLanguage

/// A word that threads synchronise with: the stores that a load may still read from, in coherence order.
final class SyncLocation {
    struct Store {
        let value: UInt64
        /// Who stored; nobody for what was there before.
        let event: MemoryEvent
        /// What those that acquire it learn. Read-modify-writes hand on what they found.
        let messages: [Message]
        /// What the storing thread knew, for reports, and what a read-modify-write would know of those before it; nil if it
        /// releases.
        let knowledge: View?
    }

    private struct Reader {
        var event: MemoryEvent
        /// Number of the store that it has read from.
        var index: Int
        /// Reads in a row of older stores than the newest.
        var staleReads: Int
    }

    let bytes: Int
    /// Tells locations apart, the same in every schedule.
    let stableNumber: UInt64
    @exclusivity(unchecked) private(set) var stores: [Store] = []
    /// Number of stores before the first that is kept.
    @exclusivity(unchecked) private var dropped = 0
    /// The last read of each thread.
    @exclusivity(unchecked) private var readers: [UInt64: Reader] = [:]
    /// The last release of each thread to this word.
    @exclusivity(unchecked) private var releases: [UInt64: Message] = [:]

    /// How often in a row a thread may read a store older than the newest: every store becomes visible eventually.
    private static let patience = 3
    private static let capacity = 16

    init(bytes: Int, stableNumber: UInt64) {
        self.bytes = bytes
        self.stableNumber = stableNumber
    }

    func append(_ store: Store) {
        stores.append(store)
        if stores.count > Self.capacity {
            stores.removeFirst()
            dropped += 1
        }
    }

    var newest: Store? { stores.last }

    private func key(_ event: MemoryEvent) -> UInt64 { UInt64(event.slot) << 8 | UInt64(event.lane) }

    /// How many stores, newest first, a thread may read from: none older than one that it knows of, or than one that a
    /// read that it knows of has read from.
    func readable(by event: MemoryEvent, knowing isKnown: (MemoryEvent) -> Bool) -> Int {
        if stores.count < 2 { return stores.count }
        if let reader = readers[key(event)], reader.staleReads >= Self.patience { return 1 }
        var oldest = stores.count - 1
        while oldest > 0, !stores[oldest].event.exists || !isKnown(stores[oldest].event) { oldest -= 1 }
        for reader in readers.values where reader.index - dropped > oldest && isKnown(reader.event) {
            oldest = reader.index - dropped
        }
        return stores.count - max(oldest, 0)
    }

    func note(release: Message) { releases[key(release.writer)] = release }

    func release(by event: MemoryEvent) -> Message? { releases[key(event)] }

    /// The store `age` before the newest, read by `event`, and whether that is another one than its thread read last.
    func read(age: Int, by event: MemoryEvent) -> (store: Store, isNew: Bool) {
        let index = stores.count - 1 - age
        let key = key(event)
        let last = readers[key]
        let staleReads = age == 0 ? 0 : (last?.staleReads ?? 0) + 1
        readers[key] = Reader(event: event, index: index + dropped, staleReads: staleReads)
        return (stores[index], last?.index != index + dropped)
    }
}
