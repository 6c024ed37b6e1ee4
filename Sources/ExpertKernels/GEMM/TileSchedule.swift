import KernelLanguage

/// What each block of a persistent grid works on, and in which order; `TilePlan` is the same on the host, as far as it is known
/// before the launch.
///
/// Where tiles may be cut (see `GEMMConfiguration.cutsBelow`), they go to blocks in waves. As many blocks work as share the tiles
/// evenly in no more waves than all would take, if those are enough (`GEMMConfiguration.evenFrom`): the memory is as busy with less.
/// Otherwise all work, and share what is left over (`CutRange`).
///
/// Elsewhere a block claims a tile at a time (`TileClaims`). By itself a GEMM is fastest with as many blocks as share the tiles evenly.
/// Behind another kernel all work, since the next one has the multiprocessors of those that are done early; or where tiles are high
/// and short a few more than share them evenly (`GEMMConfiguration.spareBlocks`). But where few of all would work on a last tile, for
/// which the others would wait, just as many as share the tiles evenly do. Behind one whole wave any number is few, behind two less
/// than a half, behind three a third, and so on: what fewer blocks lose to all, they lose in each wave.
///
/// Blocks that work are spread over the grid (`Worker`).
package struct TileSchedule {
    private let tiles: ExpertTiles
    private let sharing: Sharing

    /// How tiles come to blocks.
    private enum Sharing {
        /// In waves; those left over are cut if a smaller share of the blocks than this would work on them.
        case inWaves(cutsBelow: GEMMConfiguration.Share)
        case claimed(TileClaims)
    }

    /// - Parameter counter: UInt32, zero before and after the launch; used where tiles are claimed.
    package init(_ k: KernelBuilder, tiles: ExpertTiles, counter: Pointer<UInt32>) {
        self.tiles = tiles
        sharing =
            if let share = tiles.configuration.cutsBelow {
                .inWaves(cutsBelow: share)
            } else {
                .claimed(TileClaims(k, counter: counter))
            }
    }

    /// One thread calls it, and the block meets at a barrier afterwards.
    package func initialise(_ k: KernelBuilder) {
        if case .claimed(let claims) = sharing { claims.initialise(k) }
    }

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
        /// The block among those that work.
        let worker: Worker
        /// The block has no more pieces after this one. nil where tiles are claimed: nobody knows it yet.
        package let isLast: Condition?
    }

    /// Runs `body` for each of the block's pieces. All warps that call it see the same pieces in the same order. Where tiles are
    /// claimed, one thread has to `claim` the next one for all, in each piece.
    package func forEachPiece(_ k: KernelBuilder, _ body: (Piece) -> Void) { forEachPiece(k, of: worker(k), body) }

    /// The block among those that work.
    func worker(_ k: KernelBuilder) -> Worker { worker(k, sharing: tiles.count(k)) }

    private func worker(_ k: KernelBuilder, sharing total: Value<UInt32>) -> Worker {
        Worker(k, of: workingBlocks(k, of: total), sharing: total)
    }

    /// The same for a caller that has the `worker`.
    func forEachPiece(_ k: KernelBuilder, of worker: Worker, _ body: (Piece) -> Void) {
        switch sharing {
        case .inWaves(let share):
            forEachPiece(k, of: CutRange(k, worker, tiles.configuration, cutsBelow: share), body)
        case .claimed(let claims):
            forEachTile(k, of: worker, claims, body)
        }
    }

    private func forEachPiece(_ k: KernelBuilder, of range: CutRange, _ body: (Piece) -> Void) {
        k.for(from: k.constant(UInt32(0)), to: range.pieces, by: k.constant(UInt32(1))) { index in
            let work = range.work(k, at: index)
            body(
                Piece(
                    tile: tiles.tile(k, work.tile), firstStep: work.firstStep, endStep: work.endStep,
                    isHead: work.isHead, isTail: work.isTail, number: index, worker: range.worker,
                    isLast: index + 1 == range.pieces))
        }
    }

    /// The block's own tile, and then what it claims.
    private func forEachTile(
        _ k: KernelBuilder, of worker: Worker, _ claims: TileClaims, _ body: (Piece) -> Void
    ) {
        let index = k.variable(k.constant(UInt32(0)))
        let number = k.variable(worker.number)
        k.if(worker.works) {
            k.loop {
                body(
                    Piece(
                        tile: tiles.tile(k, number.value), firstStep: k.constant(UInt32(0)),
                        endStep: k.constant(UInt32(tiles.configuration.steps)), isHead: nil, isTail: nil,
                        number: index.value, worker: worker, isLast: nil))
                index.add(1)
                let next = claims.number(k, of: index.value)
                k.breakIf(next.isNone)
                number.value = next.tile
            }
        }
    }

    /// Claims what comes after a piece, for the whole block. Returns whether nothing does.
    package func claim(_ k: KernelBuilder, after piece: Piece) -> Condition {
        guard case .claimed(let claims) = sharing else { preconditionFailure("tiles are not claimed") }
        return claims.claim(k, piece.number + 1, of: piece.worker)
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
        let worker = worker(k, sharing: total)
        let zero = k.constant(UInt32(0))
        switch sharing {
        case .inWaves(let share):
            let range = CutRange(k, worker, configuration, cutsBelow: share)
            let work = range.work(k, at: zero)
            return Steps(
                tile: work.tile, first: work.firstStep, end: (range.pieces > 0).select(work.endStep, work.firstStep))
        case .claimed:
            let end = worker.works.select(k.constant(UInt32(configuration.steps)), zero)
            return Steps(tile: worker.number, first: zero, end: end)
        }
    }

    /// How many blocks claim tiles that `even` of them would share evenly.
    private func claimants(_ k: KernelBuilder, even: Value<UInt32>) -> Value<UInt32> {
        guard let spare = tiles.configuration.spareBlocks else { return k.gridSize }
        return (even + even * spare.numerator / spare.denominator).minimum(k.gridSize)
    }

    /// How many blocks work on `total` tiles: no more than there are.
    private func workingBlocks(_ k: KernelBuilder, of total: Value<UInt32>) -> Value<UInt32> {
        let wholeWaves = total / k.gridSize
        let rest = total - wholeWaves * k.gridSize
        let waves = (rest > 0 || total == 0).select(wholeWaves + 1, wholeWaves)
        let even = (total + waves - 1) / waves
        let configuration = tiles.configuration
        switch sharing {
        case .inWaves:
            let (part, whole) = configuration.evenFrom
            return (wholeWaves > 0 && even * whole < k.gridSize * part).select(k.gridSize, even)
        case .claimed where configuration.isAlone: return even
        case .claimed: return (rest * wholeWaves < k.gridSize).select(even, claimants(k, even: even))
        }
    }
}
