import KernelLanguage

/// A block's work where tiles may be cut: whole tiles, wave by wave, and a range of those that are cut, if any.
///
/// The last wave of some blocks and the rest that is left over are cut, along K, into equal ranges, one for each of these blocks.
/// They form as many groups as tiles are left over, as large as they can be and may (`GEMMConfiguration.largestGroup`): a group of `c`
/// blocks shares `c + 1` tiles, and hands on the sums of `c - 1`. If there are not two blocks for each tile that is left over, all
/// blocks share them.
///
/// A block's range begins inside one tile and ends inside another. After its whole tiles it works on the head of the tile in which its
/// range ends, and leaves the sums to the next block. It works on the tail of the tile in which its range begins last, and goes on from
/// the sums that the block before has left by then: its head is the shorter one. So every sum runs over K in the same order wherever it
/// is cut, no block waits for one that has more to do before, and sums are in the L2 for a short time only.
struct CutRange {
    /// Pieces of the block.
    let pieces: Value<UInt32>
    let worker: Worker
    private let steps: Int
    private let cutters: Value<UInt32>
    private let waves: Value<UInt32>
    /// Tiles that are worked on as a whole, before those that are cut, and those in the range.
    private let wholeWaves: Value<UInt32>
    private let wholeInRange: Value<UInt32>
    private let heads: Value<UInt32>
    private let tails: Value<UInt32>
    private let (firstTile, firstStep): (Value<UInt32>, Value<UInt32>)
    private let (lastTile, lastStep): (Value<UInt32>, Value<UInt32>)

    init(
        _ k: KernelBuilder, _ worker: Worker, _ configuration: GEMMConfiguration,
        cutsBelow share: GEMMConfiguration.Share
    ) {
        let steps = configuration.steps
        let zero = k.constant(UInt32(0))
        let one = k.constant(UInt32(1))
        let (block, blocks) = (worker.number, worker.count)
        // Without tiles no block works, and what the quotient is does not matter.
        let waves = worker.tiles / blocks
        let rest = worker.tiles - waves * blocks
        let cuts = waves > 0 && rest > 0 && rest * share.denominator < blocks * share.numerator
        let mostOfGroup = blocks / rest.maximum(one)
        let groupSize = configuration.largestGroup.map { mostOfGroup.minimum(k.constant(UInt32($0))) } ?? mostOfGroup
        let cutters = cuts.select((groupSize > 1).select(groupSize * rest, blocks), zero)

        wholeWaves = worker.works.select(
            waves - (block < cutters).select(one, zero) + (!cuts && block < rest).select(one, zero), zero)
        let (begin, end) = (k.variable(zero), k.variable(zero))
        k.if(worker.works && block < cutters) {
            let units = (cutters + rest) * steps
            begin.value = units * block / cutters
            end.value = units * (block + 1) / cutters
        }
        (firstTile, firstStep) = (begin.value / steps, begin.value % steps)
        (lastTile, lastStep) = (end.value / steps, end.value % steps)
        heads = (lastStep > 0).select(one, zero)
        tails = (firstStep > 0).select(one, zero)
        wholeInRange = lastTile - firstTile - tails
        pieces = heads + wholeWaves + wholeInRange + tails
        (self.worker, self.steps, self.cutters, self.waves) = (worker, steps, cutters, waves)
    }

    /// What one of the block's pieces is.
    struct Work {
        /// Number of the tile.
        let tile: Value<UInt32>
        let firstStep: Value<UInt32>
        let endStep: Value<UInt32>
        let isHead: Condition
        let isTail: Condition
    }

    /// Piece number `index` of the block.
    func work(_ k: KernelBuilder, at index: Value<UInt32>) -> Work {
        let zero = k.constant(UInt32(0))
        let isInWaves = index < wholeWaves
        let isHead = !isInWaves && index - wholeWaves < heads
        let inRange = index - wholeWaves - heads
        let isTail = !isInWaves && !isHead && inRange >= wholeInRange
        let cut = isHead.select(lastTile, isTail.select(firstTile, firstTile + tails + inRange))
        // The cutters' share of their last wave, and then what is left over behind that wave.
        let blocks = worker.count
        let placed = cut + (waves - 1) * blocks + (cut < cutters).select(zero, blocks - cutters)
        return Work(
            tile: isInWaves.select(worker.number + index * blocks, placed), firstStep: isTail.select(firstStep, zero),
            endStep: isHead.select(lastStep, k.constant(UInt32(steps))), isHead: isHead, isTail: isTail)
    }
}
