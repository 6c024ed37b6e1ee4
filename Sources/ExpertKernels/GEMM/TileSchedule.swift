import KernelLanguage

/// What each block of a persistent grid works on, and in which order; `TilePlan` is the same on the host.
///
/// Tiles go to blocks in waves. As many blocks work as share the tiles evenly in no more waves than all would take; the memory
/// is as busy with a few blocks less, and whoever comes next has their multiprocessors. Where that leaves too many without work
/// (see `GEMMConfiguration.evenBelow`), all work.
///
/// Where tiles may be cut (see `GEMMConfiguration.cutsBelow`), all work as well, and the last wave of some and the rest that is
/// left over are cut, along K, into equal ranges, one for each of these blocks. Half of the blocks at least take part: they keep
/// the memory nearly as busy as all, and cut half as many tiles. A block's range begins inside one tile and ends inside another.
/// It works on the head of the tile in which its range ends before anything else, and leaves the sums to the next block. It works
/// on the tail of the tile in which its range begins last, and goes on from the sums that the block before it left long ago. So
/// every sum runs over K in the same order wherever it is cut, and no block waits for one that has more to do before.
package struct TileSchedule {
    private let tiles: ExpertTiles

    package init(tiles: ExpertTiles) { self.tiles = tiles }

    /// Work of one block on one tile: steps `firstStep ..< endStep` of 128 channels each.
    package struct Piece {
        package let tile: ExpertTiles.Tile
        package let firstStep: Value<UInt32>
        package let endStep: Value<UInt32>
        /// The piece ends before K does: its sums go to the next block. nil where tiles are never cut.
        package let isHead: Condition?
        /// The piece begins after K does: it goes on from the sums of the block before. nil where tiles are never cut.
        package let isTail: Condition?
        /// Number of the piece in the block, from 0.
        package let number: Value<UInt32>
        /// The block has no more pieces after this one.
        package let isLast: Condition
    }

    /// Runs `body` for each of the block's pieces. All warps that call it see the same pieces in the same order.
    package func forEachPiece(_ k: KernelBuilder, _ body: (Piece) -> Void) {
        let total = tiles.count(k)
        let blocks = workingBlocks(k, of: total)
        guard let share = tiles.configuration.cutsBelow else { return forEachTile(k, blocks, body) }
        let range = CutRange(k, total, blocks, cutsBelow: share, steps: tiles.configuration.steps)
        k.for(from: k.constant(UInt32(0)), to: range.pieces, by: k.constant(UInt32(1))) { index in
            let work = range.work(k, at: index)
            body(
                Piece(
                    tile: tiles.tile(k, work.tile), firstStep: work.firstStep, endStep: work.endStep,
                    isHead: work.isHead,
                    isTail: work.isTail, number: index, isLast: index + 1 == range.pieces))
        }
    }

    /// Steps of a tile.
    package struct Steps {
        /// Number of the tile.
        package let tile: Value<UInt32>
        package let first: Value<UInt32>
        package let end: Value<UInt32>
    }

    /// What the block's first piece is if every expert has one block of rows, as most have; no steps for a block without work.
    /// Nothing of the counts is known yet.
    package func likelyFirst(_ k: KernelBuilder) -> Steps {
        let configuration = tiles.configuration
        let total = k.constant(UInt32(configuration.experts * configuration.tilesAcross))
        let blocks = workingBlocks(k, of: total)
        let zero = k.constant(UInt32(0))
        guard let share = configuration.cutsBelow else {
            let works = k.blockIndex < blocks.minimum(total)
            return Steps(
                tile: k.blockIndex, first: zero, end: works.select(k.constant(UInt32(configuration.steps)), zero))
        }
        let range = CutRange(k, total, blocks, cutsBelow: share, steps: configuration.steps)
        let work = range.work(k, at: zero)
        return Steps(
            tile: work.tile, first: work.firstStep, end: (range.pieces > 0).select(work.endStep, work.firstStep))
    }

    /// How many blocks work on `total` tiles.
    private func workingBlocks(_ k: KernelBuilder, of total: Value<UInt32>) -> Value<UInt32> {
        let configuration = tiles.configuration
        let waves = ((total + k.gridSize - 1) / k.gridSize).maximum(k.constant(UInt32(1)))
        let even = (total + waves - 1) / waves
        if configuration.cutsBelow != nil {
            // All blocks, unless that is nearly as many as share the tiles evenly.
            return (even * 20 < k.gridSize * 19).select(k.gridSize, even)
        }
        guard let share = configuration.evenBelow else { return even }
        return (total % k.gridSize * share.denominator < k.gridSize * share.numerator).select(even, k.gridSize)
    }

    /// Block `b` of those that work takes tiles `b`, `b + blocks`, …
    private func forEachTile(_ k: KernelBuilder, _ blocks: Value<UInt32>, _ body: (Piece) -> Void) {
        let index = k.variable(k.constant(UInt32(0)))
        k.if(k.blockIndex < blocks) {
            k.loop {
                let number = k.blockIndex + index.value * blocks
                // Looked up anew, as registers are scarce.
                let total = tiles.count(k)
                k.breakIf(number >= total)
                body(
                    Piece(
                        tile: tiles.tile(k, number), firstStep: k.constant(UInt32(0)),
                        endStep: k.constant(UInt32(tiles.configuration.steps)), isHead: nil, isTail: nil,
                        number: index.value, isLast: number + blocks >= total))
                index.add(1)
            }
        }
    }
}

/// A block's work where tiles may be cut: whole tiles, wave by wave, and a range of those that are cut, if any.
private struct CutRange {
    /// Pieces of the block.
    let pieces: Value<UInt32>
    private let steps: Int
    private let blocks: Value<UInt32>
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
        _ k: KernelBuilder, _ total: Value<UInt32>, _ blocks: Value<UInt32>, cutsBelow share: GEMMConfiguration.Share,
        steps: Int
    ) {
        let zero = k.constant(UInt32(0))
        let one = k.constant(UInt32(1))
        let block = k.blockIndex
        let waves = total / blocks
        let rest = total - waves * blocks
        let cuts = waves > 0 && rest > 0 && rest * share.denominator < blocks * share.numerator
        let cutters = cuts.select((rest * 2).maximum(blocks / 2).minimum(blocks), zero)

        wholeWaves = (block < blocks).select(
            waves - (block < cutters).select(one, zero) + (!cuts && block < rest).select(one, zero), zero)
        let (begin, end) = (k.variable(zero), k.variable(zero))
        k.if(block < cutters) {
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
        (self.steps, self.blocks, self.cutters, self.waves) = (steps, blocks, cutters, waves)
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
        let isHead = index < heads
        let whole = index - heads
        let isInWaves = !isHead && whole < wholeWaves
        let inRange = whole - wholeWaves
        let isTail = !isHead && !isInWaves && inRange >= wholeInRange
        let cut = isHead.select(lastTile, isTail.select(firstTile, firstTile + tails + inRange))
        // The cutters' share of their last wave, and then what is left over behind that wave.
        let placed = cut + (waves - 1) * blocks + (cut < cutters).select(zero, blocks - cutters)
        return Work(
            tile: isInWaves.select(k.blockIndex + whole * blocks, placed), firstStep: isTail.select(firstStep, zero),
            endStep: isHead.select(lastStep, k.constant(UInt32(steps))), isHead: isHead, isTail: isTail)
    }
}
