import KernelLanguage

/// The order in which a persistent grid works through the tiles: expert by expert, block of rows by block of rows, and
/// across N innermost, so that blocks are finished one after the other. Block `b` of the grid takes tiles `b`,
/// `b + gridSize`, …
struct TileSchedule {
    let configuration: GEMMConfiguration
    let counts: Pointer<UInt32>

    /// One tile of the output.
    struct Tile {
        let expert: Value<UInt32>
        /// Block of rows in the expert.
        let block: Value<UInt32>
        /// Tile across N.
        let column: Value<UInt32>
        /// Rows of the block that exist, 1 to `blockM`.
        let rows: Value<UInt32>
    }

    /// Runs `body` for each of the block's tiles. All warps that call it see the same tiles in the same order.
    func forEachTile(_ k: KernelBuilder, _ body: (Tile) -> Void) {
        let across = configuration.tilesAcross
        let blockM = configuration.blockM
        // Tiles of all experts before the present one.
        let firstOfExpert = k.variable(k.constant(UInt32(0)))
        let next = k.variable(k.blockIndex)
        k.for(to: configuration.experts) { expert in
            let rows = k.load(counts + expert)
            let first = firstOfExpert.value
            let end = first + ((rows + (blockM - 1)) / blockM) * across
            k.loop {
                let tile = next.value
                k.breakIf(tile >= end)
                let inExpert = tile - first
                let block = inExpert / across
                let left = rows - block * blockM
                body(
                    Tile(
                        expert: expert, block: block, column: inExpert % across,
                        rows: left.minimum(k.constant(UInt32(blockM)))))
                next.add(k.gridSize)
            }
            firstOfExpert.value = end
        }
    }
}
