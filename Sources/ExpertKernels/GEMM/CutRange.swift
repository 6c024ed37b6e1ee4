import KernelLanguage

/// A block's work where tiles are cut: whole tiles, wave by wave, and a range of those that are cut, if any. All blocks of the grid work.
///
/// The last wave of some blocks and the rest that is left over are cut, along K, into equal ranges, one for each of these blocks.
/// They form as many groups as tiles are left over, as large as they can be: a group of `c` blocks shares `c + 1` tiles, and hands on the
/// sums of `c - 1`. Blocks that are in no group are done sooner; those that are, are spread over the grid (`Worker`). If there are not
/// two blocks for each tile that is left over, or if blocks are high (`GEMMConfiguration.cutsInGroups`), all blocks share them.
///
/// A block's range begins inside one tile and ends inside another. After its whole tiles it works on the head of the tile in which its
/// range ends, and leaves the sums to the next block. It works on the tail of the tile in which its range begins last, and goes on from
/// the sums that the block before has left by then: its head is the shorter one. So every sum runs over K in the same order wherever it
/// is cut, no block waits for one that has more to do before, and sums are in the L2 for a short time only.
struct CutRange {
    /// Whether tiles are cut in this launch. Where they are not, all of the block's work is whole tiles.
    let isCut: Condition
    /// Pieces of the block, if they are.
    let pieces: Value<UInt32>
    private let steps: Int
    /// Blocks of the grid, and those of them that have a range.
    private let (blocks, cutters): (Value<UInt32>, Value<UInt32>)
    private let waves: Value<UInt32>
    /// Tiles that are worked on as a whole, before those that are cut, and those in the range.
    private let wholeWaves: Value<UInt32>
    private let wholeInRange: Value<UInt32>
    private let heads: Value<UInt32>
    private let tails: Value<UInt32>
    private let (firstTile, firstStep): (Value<UInt32>, Value<UInt32>)
    private let (lastTile, lastStep): (Value<UInt32>, Value<UInt32>)

    /// nil where tiles are never cut.
    init?(_ k: KernelBuilder, _ worker: Worker, _ configuration: GEMMConfiguration) {
        guard let isCut = worker.isCut else { return nil }
        let steps = configuration.steps
        let (zero, one) = (k.constant(UInt32(0)), k.constant(UInt32(1)))
        let (block, blocks) = (worker.number, k.gridSize)
        let waves = worker.tiles / blocks
        let left = worker.tiles - waves * blocks
        let cutters = worker.spread
        let hasRange = isCut && block < cutters

        let (begin, end) = (k.variable(zero), k.variable(zero))
        k.if(hasRange) {
            let units = (cutters + left) * steps
            begin.value = units * block / cutters
            end.value = units * (block + 1) / cutters
        }
        wholeWaves = isCut.select(waves - hasRange.select(one, zero), k.constant(UInt32.max))
        (firstTile, firstStep) = (begin.value / steps, begin.value % steps)
        (lastTile, lastStep) = (end.value / steps, end.value % steps)
        heads = (lastStep > 0).select(one, zero)
        tails = (firstStep > 0).select(one, zero)
        wholeInRange = lastTile - firstTile - tails
        pieces = heads + wholeWaves + wholeInRange + tails
        (self.isCut, self.steps, self.blocks, self.cutters, self.waves) = (isCut, steps, blocks, cutters, waves)
    }

    /// How many blocks of the grid have a range if `left` tiles are left over behind whole waves.
    static func cutters(
        _ k: KernelBuilder, _ configuration: GEMMConfiguration, left: Value<UInt32>
    ) -> Value<UInt32> {
        guard configuration.cutsInGroups else { return k.gridSize }
        let groupSize = k.gridSize / left.maximum(k.constant(UInt32(1)))
        return (groupSize > 1).select(groupSize * left, k.gridSize)
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

    /// Piece number `index` of the block, which is the tile `wholeTile` if it comes before the range.
    func work(_ k: KernelBuilder, at index: Value<UInt32>, wholeTile: Value<UInt32>) -> Work {
        let zero = k.constant(UInt32(0))
        let isBefore = index < wholeWaves
        let isHead = !isBefore && index - wholeWaves < heads
        let inRange = index - wholeWaves - heads
        let isTail = !isBefore && !isHead && inRange >= wholeInRange
        let cut = isHead.select(lastTile, isTail.select(firstTile, firstTile + tails + inRange))
        // The cutters' share of their last wave, and then what is left over behind that wave.
        let placed = cut + (waves - 1) * blocks + (cut < cutters).select(zero, blocks - cutters)
        return Work(
            tile: isBefore.select(wholeTile, placed), firstStep: isTail.select(firstStep, zero),
            endStep: isHead.select(lastStep, k.constant(UInt32(steps))), isHead: isHead, isTail: isTail)
    }
}
