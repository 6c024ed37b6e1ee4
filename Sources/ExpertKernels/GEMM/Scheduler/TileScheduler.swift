import KernelLanguage

/// The dynamic tile scheduler of a kernel: it gives each thread block of a persistent grid its work tiles, in order.
/// `TilePlan` is the same on the host, as far as it is known before the launch.
///
/// A thread block fetches a work tile at a time (`WorkTileQueue`). How many thread blocks are active, and which tiles
/// are split, is worked out from the counts (`TileSchedule`).
package struct TileScheduler {
    private let tiles: ExpertTiles
    private let queue: WorkTileQueue

    private var configuration: GEMMConfiguration { tiles.configuration }

    /// - Parameter counter: UInt32, zero before and after the launch.
    package init(_ k: KernelBuilder, tiles: ExpertTiles, counter: Pointer<UInt32>) {
        self.tiles = tiles
        queue = WorkTileQueue(k, counter: counter, capacity: Self.capacity(tiles.configuration))
    }

    /// See `WorkTileQueue.capacity`.
    static func capacity(_ configuration: GEMMConfiguration) -> Int { 1 + configuration.tuning.mostStages }

    /// One thread calls it, and a barrier of the thread block follows.
    package func initialise(_ k: KernelBuilder) { queue.initialise(k) }

    /// A tile, or a split of one along K, that a thread block works on: k-blocks `firstKBlock ..< endKBlock`.
    package struct WorkTile {
        package let tile: ExpertTiles.Tile
        package let firstKBlock: Value<UInt32>
        package let endKBlock: Value<UInt32>
        /// Number of the work tile in the thread block, from 0.
        package let index: Value<UInt32>
        let block: ActiveBlock
        /// nil where tiles are never split.
        package let split: Split?
        /// nil where K of no tile is cut into slices.
        package var slice: Slice?
        /// Whether the thread block will probably have no more; nil where all work tiles are whole tiles.
        let isAmongLast: Condition?

        /// Whether it may be less than a tile.
        var isPart: Bool { split != nil || slice != nil }
    }

    /// The slice of a work tile where K is cut into slices; computed on each use, as registers are scarce.
    package struct Slice {
        let splitK: SplitK<Value<UInt32>>
        /// Number of the work tile among those of all.
        let number: Value<UInt32>
        let tiles: ExpertTiles

        /// Whether it is the tile's last, which finishes it.
        package var isLast: Condition { splitK.slice(number).isLast }
        /// Number of its sums; of a last slice the number behind those of the tile's others.
        var sums: Value<UInt32> { splitK.slice(number).sums }
        /// How many sums there are in this launch.
        func allSums(_ k: KernelBuilder) -> Value<UInt32> { tiles.count(k) * (splitK.slices - 1) }
    }

    /// The split of a work tile where tiles may be split.
    package struct Split {
        /// It ends before K does: its sums are partials for the thread block that has the second split.
        package let writesPartials: Condition
        /// It begins after K does: it goes on from the partials of the first split.
        package let readsPartials: Condition
        /// Number of the tile among those that are split, if it is.
        let slot: Value<UInt32>
    }

    /// Runs `body` for each of the thread block's work tiles. All warps that call it see the same ones in the same
    /// order. One thread has to `fetchNext` for all, in each work tile.
    package func forEachWorkTile(_ k: KernelBuilder, _ body: (WorkTile) -> Void) {
        forEachWorkTile(k, of: activeBlock(k), body)
    }

    /// The same for a caller that knows the thread block's part.
    func forEachWorkTile(_ k: KernelBuilder, of block: ActiveBlock, _ body: (WorkTile) -> Void) {
        let (index, number) = (k.variable(0 as UInt32), k.variable(block.number))
        let isDone = k.variable(false)
        k.if(block.isActive) {
            k.loop {
                body(workTile(k, index: index.value, number: number.value, of: block))
                index.add(1)
                let next = queue.number(k, of: index.value)
                (number.value, isDone.value) = (next.number, next.isNone)
                k.breakIf(isDone.value)
            }
        }
    }

    /// The thread block's work tile `index`, which has `number` among those of all.
    private func workTile(
        _ k: KernelBuilder, index: Value<UInt32>, number: Value<UInt32>, of block: ActiveBlock
    ) -> WorkTile {
        if let splitK = block.splitK {
            let slice = splitK.slice(number)
            return WorkTile(
                tile: tiles.tile(k, slice.tile), firstKBlock: slice.firstKBlock, endKBlock: slice.endKBlock,
                index: index, block: block, split: nil,
                slice: Slice(splitK: splitK, number: number, tiles: tiles),
                isAmongLast: number + k.gridSize >= block.workTiles)
        }
        guard let work = block.split?.workTile(number) else {
            return WorkTile(
                tile: tiles.tile(k, number), firstKBlock: k.constant(UInt32(0)),
                endKBlock: k.constant(UInt32(configuration.problem.kBlocks)), index: index, block: block, split: nil,
                isAmongLast: nil)
        }
        return WorkTile(
            tile: tiles.tile(k, work.tile), firstKBlock: work.firstKBlock, endKBlock: work.endKBlock, index: index,
            block: block,
            split: Split(
                writesPartials: work.writesPartials, readsPartials: work.readsPartials, slot: work.slot),
            isAmongLast: work.isAmongLast)
    }

    /// Fetches the work tile after `workTile`, for the whole thread block. Returns whether none is left.
    package func fetchNext(_ k: KernelBuilder, after workTile: WorkTile) -> Condition {
        queue.fetch(k, workTile.index + 1, for: workTile.block)
    }

    /// A tile by its number, and k-blocks of it.
    package struct TileRange {
        package let tile: Value<UInt32>
        package let firstKBlock: Value<UInt32>
        package let endKBlock: Value<UInt32>
    }

    /// The thread block's first work tile if every expert has one row block, as most have: counts are not known yet. No
    /// k-blocks for a thread block that is not active.
    package func likelyFirst(_ k: KernelBuilder) -> TileRange {
        let zero = k.constant(UInt32(0))
        let block = activeBlock(
            k, tiles: k.constant(UInt32(configuration.problem.experts * configuration.tilesAcross)))
        if let slice = block.splitK?.slice(block.number) {
            return TileRange(
                tile: slice.tile, firstKBlock: slice.firstKBlock,
                endKBlock: block.isActive.select(slice.endKBlock, slice.firstKBlock))
        }
        let work = block.split?.workTile(block.number)
        let first = work?.firstKBlock ?? zero
        let end = work?.endKBlock ?? k.constant(UInt32(configuration.problem.kBlocks))
        return TileRange(
            tile: work?.tile ?? block.number, firstKBlock: first, endKBlock: block.isActive.select(end, first))
    }

    /// The calling thread block's part in the work.
    func activeBlock(_ k: KernelBuilder) -> ActiveBlock { activeBlock(k, tiles: tiles.count(k)) }

    private func activeBlock(_ k: KernelBuilder, tiles: Value<UInt32>) -> ActiveBlock {
        ActiveBlock(k, TileSchedule(configuration.schedule, tiles: tiles, grid: k.gridSize))
    }
}
