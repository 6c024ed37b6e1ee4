import KernelLanguage

/// The queue of a launch from which thread blocks fetch work tiles one after the other as they come to them.
///
/// Multiprocessors do not get equal shares of the memory's bandwidth: with equal work, some end long before others. A
/// thread block's first work tile has the thread block's number. For each further one its producer adds one to a
/// counter of the grid, and passes the number on to the thread block's other warps. Which thread block works on which
/// work tile changes no sum.
struct WorkTileQueue {
    /// UInt32: work tiles fetched so far; zero before and after a launch.
    private let counter: Pointer<UInt32>
    /// UInt32 `[capacity]`, a ring: numbers of the thread block's work tiles after the first.
    private let numbers: SharedPointer<UInt32>
    /// UInt32: how many of them have been passed on.
    private let passedOn: SharedPointer<UInt32>
    /// Numbers that the ring holds. When the producer fetches a work tile while it loads the one before, every consumer
    /// warp has reached one that is earlier by at most the number of stages. For other warps the producer waits.
    let capacity: Int

    /// Passed on in place of a number when no work tile is left.
    private static let none = UInt32.max

    init(_ k: KernelBuilder, counter: Pointer<UInt32>, capacity: Int) {
        self.counter = counter
        self.capacity = capacity
        numbers = k.shared(UInt32.self, count: capacity)
        passedOn = k.shared(UInt32.self, count: 1)
    }

    /// One thread calls it, and a barrier of the thread block follows.
    func initialise(_ k: KernelBuilder) { k.store(0, to: passedOn) }

    /// Producer: fetches the thread block's work tile `index`, from 1, when no earlier launch that counts with the same
    /// counter still runs; no more thread blocks are active than there are tiles. Returns whether none is left.
    func fetch(_ k: KernelBuilder, _ index: Value<UInt32>, for block: ActiveBlock) -> Condition {
        let earlier = k.atomic(.add, counter, k.constant(UInt32(1)), order: .relaxed(.gpu))
        // Every work tile after the first of each thread block is fetched once, and every active thread block fetches
        // once in vain; then nobody does.
        k.if(earlier + 1 == block.workTiles) { k.store(0, to: counter, order: .relaxed(.gpu)) }
        let number = block.count + earlier
        let isNone = number >= block.workTiles
        k.store(isNone.select(k.constant(Self.none), number), to: numbers + index % capacity)
        k.store(index, to: passedOn, order: .release(.block))
        return isNone
    }

    /// Number of the thread block's work tile `index`, from 1, as soon as it has been fetched, and whether there is
    /// none.
    func number(_ k: KernelBuilder, of index: Value<UInt32>) -> (number: Value<UInt32>, isNone: Condition) {
        k.spin { k.load(passedOn, order: .acquire(.block)) >= index }
        let number = k.load(numbers + index % capacity)
        return (number, number == k.constant(Self.none))
    }
}
