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
        let waves = ((total + k.gridSize - 1) / k.gridSize).maximum(k.constant(UInt32(1)))
        let even = (total + waves - 1) / waves
        if let share = tiles.configuration.cutsBelow {
            // All blocks, unless that is nearly as many as share the tiles evenly.
            let blocks = (even * 20 < k.gridSize * 19).select(k.gridSize, even)
            forEachPiece(k, total, blocks, cutsBelow: share, body)
        } else if let share = tiles.configuration.evenBelow {
            let isEven = total % k.gridSize * share.denominator < k.gridSize * share.numerator
            forEachTile(k, isEven.select(even, k.gridSize), body)
        } else {
            forEachTile(k, even, body)
        }
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

    /// The same, but that the rest and a wave of `cutters` blocks are cut where the rest is small.
    private func forEachPiece(
        _ k: KernelBuilder, _ total: Value<UInt32>, _ blocks: Value<UInt32>,
        cutsBelow share: GEMMConfiguration.Share, _ body: (Piece) -> Void
    ) {
        let steps = tiles.configuration.steps
        let zero = k.constant(UInt32(0))
        let one = k.constant(UInt32(1))
        let block = k.blockIndex
        let waves = total / blocks
        let rest = total - waves * blocks
        let cuts = waves > 0 && rest > 0 && rest * share.denominator < blocks * share.numerator
        let cutters = cuts.select((rest * 2).maximum(blocks / 2).minimum(blocks), zero)

        // Tiles that are worked on as a whole, wave by wave, before those that are cut.
        let wholeWaves = (block < blocks).select(
            waves - (block < cutters).select(one, zero) + (!cuts && block < rest).select(one, zero), zero)
        let (begin, end) = (k.variable(zero), k.variable(zero))
        k.if(block < cutters) {
            let units = (cutters + rest) * steps
            begin.value = units * block / cutters
            end.value = units * (block + 1) / cutters
        }
        let (firstTile, firstStep) = (begin.value / steps, begin.value % steps)
        let (lastTile, lastStep) = (end.value / steps, end.value % steps)
        let heads = (lastStep > 0).select(one, zero)
        let tails = (firstStep > 0).select(one, zero)
        let wholeInRange = lastTile - firstTile - tails

        let pieces = heads + wholeWaves + wholeInRange + tails
        k.for(from: zero, to: pieces, by: one) { index in
            let isHead = index < heads
            let whole = index - heads
            let isInWaves = !isHead && whole < wholeWaves
            let inRange = whole - wholeWaves
            let isTail = !isHead && !isInWaves && inRange >= wholeInRange
            let cut = isHead.select(lastTile, isTail.select(firstTile, firstTile + tails + inRange))
            // The cutters' share of their last wave, and then what is left over behind that wave.
            let placed = cut + (waves - 1) * blocks + (cut < cutters).select(zero, blocks - cutters)
            body(
                Piece(
                    tile: tiles.tile(k, isInWaves.select(block + whole * blocks, placed)),
                    firstStep: isTail.select(firstStep, zero),
                    endStep: isHead.select(lastStep, k.constant(UInt32(steps))), isHead: isHead, isTail: isTail,
                    number: index, isLast: index + 1 == pieces))
        }
    }
}
