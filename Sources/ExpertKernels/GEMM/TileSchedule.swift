import KernelLanguage

/// What each block of a persistent grid works on, and in which order; `TilePlan` is the same on the host.
///
/// As a rule, block `b` takes tiles `b`, `b + gridSize`, … Where that would leave too many blocks without work at the end
/// (see `GEMMConfiguration.cutsBelow`), the last `gridSize` tiles and the rest that is left over are cut, along K, into as many
/// equal ranges as there are blocks. A block's range begins inside one tile and ends inside another. It works on the head
/// of the tile in which its range ends before anything else, and leaves the sums to the next block. It works on the tail
/// of the tile in which its range begins last, and goes on from the sums that the block before it left long ago. So every
/// sum runs over K in the same order wherever it is cut, and no block waits for one that has more to do before.
package struct TileSchedule {
    private let tiles: ExpertTiles

    package init(tiles: ExpertTiles) { self.tiles = tiles }

    /// Work of one block on one tile: steps `firstStep ..< endStep` of 128 channels each.
    package struct Piece {
        package let tile: ExpertTiles.Tile
        package let firstStep: Value<UInt32>
        package let endStep: Value<UInt32>
        /// The piece ends before K does: its sums go to the next block.
        package let isHead: Condition
        /// The piece begins after K does: it goes on from the sums of the block before.
        package let isTail: Condition
        /// Number of the piece in the block, from 0.
        package let number: Value<UInt32>
        /// The block has no more pieces after this one.
        package let isLast: Condition
    }

    /// Runs `body` for each of the block's pieces. All warps that call it see the same pieces in the same order.
    package func forEachPiece(_ k: KernelBuilder, _ body: (Piece) -> Void) {
        let steps = tiles.configuration.steps
        let zero = k.constant(UInt32(0))
        let one = k.constant(UInt32(1))
        let (block, blocks) = (k.blockIndex, k.gridSize)
        let total = tiles.count(k)
        let waves = total / blocks
        let rest = total % blocks
        let share = tiles.configuration.cutsBelow
        let cuts = waves > 0 && rest > 0 && rest * share.denominator < blocks * share.numerator

        // Tiles that are worked on as a whole, wave by wave, before those that are cut.
        let wholeWaves = cuts.select(waves - 1, waves + (block < rest).select(one, zero))
        let firstCut = wholeWaves * blocks
        let (begin, end) = (k.variable(zero), k.variable(zero))
        k.if(cuts) {
            let units = (blocks + rest) * steps
            begin.value = units * block / blocks
            end.value = units * (block + 1) / blocks
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
            let number = isInWaves.select(block + whole * blocks, firstCut + cut)
            body(
                Piece(
                    tile: tiles.tile(k, number), firstStep: isTail.select(firstStep, zero),
                    endStep: isHead.select(lastStep, k.constant(UInt32(steps))), isHead: isHead, isTail: isTail,
                    number: index,
                    isLast: index + 1 == pieces))
        }
    }
}
