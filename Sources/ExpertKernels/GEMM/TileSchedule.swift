import KernelLanguage

/// What each block of a persistent grid works on, and in which order; `TilePlan` is the same on the host, as far as it is known
/// before the launch.
///
/// A block claims a tile at a time (`TileClaims`). By itself a GEMM is fastest with as many blocks as share the tiles evenly. Behind
/// another kernel all work, since the next one has the multiprocessors of those that are done early; or where tiles are high and short a
/// few more than share them evenly (`GEMMConfiguration.spareBlocks`). But where few of all would work on a last tile, for which the
/// others would wait, just as many as share the tiles evenly do. Behind one whole wave any number is few, behind two less than a half,
/// behind three a third, and so on: what fewer blocks lose to all, they lose in each wave.
///
/// Where the multiprocessors that this leaves idle are missed, all blocks work, and tiles that are left over behind whole waves are cut
/// (`GEMMConfiguration.cutsBelow`, `CutTiles`).
///
/// Blocks that work are spread over the grid (`Worker`).
package struct TileSchedule {
    private let tiles: ExpertTiles
    private let claims: TileClaims

    private var configuration: GEMMConfiguration { tiles.configuration }

    /// - Parameter counter: UInt32, zero before and after the launch; used where tiles are claimed.
    package init(_ k: KernelBuilder, tiles: ExpertTiles, counter: Pointer<UInt32>) {
        self.tiles = tiles
        claims = TileClaims(k, counter: counter)
    }

    /// One thread calls it, and the block meets at a barrier afterwards.
    package func initialise(_ k: KernelBuilder) { claims.initialise(k) }

    /// Work of one block on one tile: steps `firstStep ..< endStep` of 128 channels each.
    package struct Piece {
        package let tile: ExpertTiles.Tile
        package let firstStep: Value<UInt32>
        package let endStep: Value<UInt32>
        /// Number of the piece in the block, from 0.
        package let number: Value<UInt32>
        /// The block among those that work.
        let worker: Worker
        /// nil where tiles are never cut.
        package let cut: Cut?
    }

    /// What a piece is where tiles may be cut.
    package struct Cut {
        /// The piece ends before K does: its sums go to the block that has the tail.
        package let isHead: Condition
        /// The piece begins after K does: it goes on from the sums of the head.
        package let isTail: Condition
        /// Number of the tile among those that are cut, if it is.
        let slot: Value<UInt32>
        /// Fewer pieces are left behind it than blocks work, so that the block will probably have no more.
        let isAmongLast: Condition
    }

    /// Runs `body` for each of the block's pieces. All warps that call it see the same pieces in the same order. One thread has to `claim`
    /// the next one for all, in each piece.
    package func forEachPiece(_ k: KernelBuilder, _ body: (Piece) -> Void) { forEachPiece(k, of: worker(k), body) }

    /// The same for a caller that has the `worker`.
    func forEachPiece(_ k: KernelBuilder, of worker: Worker, _ body: (Piece) -> Void) {
        let (index, claim) = (k.variable(k.constant(UInt32(0))), k.variable(worker.number))
        let isDone = k.variable(k.constant(false))
        k.if(worker.works) {
            k.loop {
                body(piece(k, number: index.value, claim: claim.value, of: worker))
                index.add(1)
                let next = claims.number(k, of: index.value)
                (claim.value, isDone.value) = (next.claim, next.isNone)
                k.breakIf(isDone.value)
            }
        }
    }

    /// Piece `number` of the block, which has claimed it with the number `claim`.
    private func piece(
        _ k: KernelBuilder, number: Value<UInt32>, claim: Value<UInt32>, of worker: Worker
    ) -> Piece {
        guard let work = worker.cut?.work(k, claim: claim) else {
            return Piece(
                tile: tiles.tile(k, claim), firstStep: k.constant(UInt32(0)),
                endStep: k.constant(UInt32(configuration.steps)), number: number, worker: worker, cut: nil)
        }
        return Piece(
            tile: tiles.tile(k, work.tile), firstStep: work.firstStep, endStep: work.endStep, number: number,
            worker: worker, cut: work.cut)
    }

    /// Claims what comes after a piece, for the whole block. Returns whether nothing does.
    package func claim(_ k: KernelBuilder, after piece: Piece) -> Condition {
        claims.claim(k, piece.number + 1, of: piece.worker)
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
        let zero = k.constant(UInt32(0))
        let worker = worker(k, sharing: k.constant(UInt32(configuration.experts * configuration.tilesAcross)))
        let work = worker.cut?.work(k, claim: worker.number)
        let (first, end) = (work?.firstStep ?? zero, work?.endStep ?? k.constant(UInt32(configuration.steps)))
        return Steps(tile: work?.tile ?? worker.number, first: first, end: worker.works.select(end, first))
    }

    /// The block among those that work.
    func worker(_ k: KernelBuilder) -> Worker { worker(k, sharing: tiles.count(k)) }

    /// The block among those that work on `total` tiles.
    private func worker(_ k: KernelBuilder, sharing total: Value<UInt32>) -> Worker {
        let wholeWaves = total / k.gridSize
        let left = total - wholeWaves * k.gridSize
        let waves = (left > 0 || total == 0).select(wholeWaves + 1, wholeWaves)
        let even = (total + waves - 1) / waves
        let claiming =
            configuration.isAlone ? even : (left * wholeWaves < k.gridSize).select(even, claimants(k, even: even))
        guard let cutsBelow = configuration.cutsBelow else {
            return Worker(k, of: claiming, sharing: total, cut: nil)
        }
        var isCut =
            wholeWaves > 0 && left > 0 && isLess(k, left, than: cutsBelow)
            && isLess(k, even, than: configuration.enoughOfAll)
        if let keepingUp = configuration.keepingUp { isCut = isCut && even < keepingUp }
        let cut = CutTiles(k, configuration, tiles: total, left: left, isCut: isCut)
        return Worker(k, of: isCut.select(k.gridSize, claiming), sharing: total, cut: cut)
    }

    /// Whether `blocks` are less than a share of the grid.
    private func isLess(
        _ k: KernelBuilder, _ blocks: Value<UInt32>, than share: GEMMConfiguration.Share
    ) -> Condition { blocks * share.denominator < k.gridSize * share.numerator }

    /// How many blocks claim tiles that `even` of them would share evenly.
    private func claimants(_ k: KernelBuilder, even: Value<UInt32>) -> Value<UInt32> {
        guard let spare = configuration.spareBlocks else { return k.gridSize }
        return (even + even * spare.numerator / spare.denominator).minimum(k.gridSize)
    }
}
