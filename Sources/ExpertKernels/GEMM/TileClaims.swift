import KernelLanguage

/// Tiles, and parts of those that are cut, that the blocks of a grid take one after the other as they come to them.
///
/// Multiprocessors do not get equal shares of the memory: with equal work, some end long before others. A block's first tile has
/// the block's number. For each further one its loading thread adds one to a counter of the grid, and tells the block's other
/// warps. Which block works on what changes nothing in the sums.
struct TileClaims {
    /// UInt32: claims so far; zero before and after a launch.
    private let counter: Pointer<UInt32>
    /// UInt32 `[capacity]`: numbers of the block's tiles after the first, in turn.
    private let numbers: SharedPointer<UInt32>
    /// UInt32: how many of them have been told.
    private let told: SharedPointer<UInt32>

    /// When the loading thread claims a tile while it loads the one before, all multiplying warps have come to one that is at most as many
    /// earlier as the ring has stages. For other warps it waits.
    static let capacity = 1 + GEMMConfiguration.mostStages
    /// Told in place of a tile when there is none left.
    private static let none = UInt32.max

    init(_ k: KernelBuilder, counter: Pointer<UInt32>) {
        self.counter = counter
        numbers = k.shared(UInt32.self, count: Self.capacity)
        told = k.shared(UInt32.self, count: 1)
    }

    /// One thread calls it, and the block meets at a barrier afterwards.
    func initialise(_ k: KernelBuilder) { k.store(k.constant(UInt32(0)), to: told) }

    /// Loading thread: claims the block's piece `index`, from 1, when no earlier launch that counts with the same counter still runs;
    /// no more blocks work than there are tiles. Returns whether there is none left.
    func claim(_ k: KernelBuilder, _ index: Value<UInt32>, of worker: Worker) -> Condition {
        let earlier = k.atomic(.add, counter, k.constant(UInt32(1)), order: .relaxed(.gpu))
        // Every piece after the first of each block is claimed once, and every block claims once in vain; then nobody does.
        k.if(earlier + 1 == worker.claims) { k.store(k.constant(UInt32(0)), to: counter, order: .relaxed(.gpu)) }
        let number = worker.count + earlier
        let isNone = number >= worker.claims
        k.store(isNone.select(k.constant(Self.none), number), to: numbers + index % Self.capacity)
        k.store(index, to: told, order: .release(.block))
        return isNone
    }

    /// Number of the block's piece `index`, from 1, as soon as it has been claimed, and whether there is none.
    func number(_ k: KernelBuilder, of index: Value<UInt32>) -> (claim: Value<UInt32>, isNone: Condition) {
        k.spin { k.load(told, order: .acquire(.block)) >= index }
        let number = k.load(numbers + index % Self.capacity)
        return (number, number == k.constant(Self.none))
    }
}
