import KernelLanguage

/// What each block of a persistent grid works on, and in which order; `TilePlan` is the same on the host.
///
/// Tiles go to blocks in waves. As many blocks work as share the tiles evenly in no more waves than all would take; the memory
/// is as busy with a few blocks less, and whoever comes next has their multiprocessors. Where that leaves too many without work
/// (see `GEMMConfiguration.evenBelow`), all work.
///
/// Where tiles may be cut (see `GEMMConfiguration.cutsBelow`), all work as well, and share what is left over (`CutRange`).
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
