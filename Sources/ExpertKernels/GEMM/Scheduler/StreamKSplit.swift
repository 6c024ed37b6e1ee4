/// Stream-K splits: tiles that are split along K where few thread blocks would have a last one, and the order in which
/// thread blocks fetch work tiles then.
///
/// Most tiles of the last whole wave, and of those left over behind it, are split in two, at all points of K that leave
/// both splits worth it (`GEMMSchedule.Split.leastKBlocks`). When all thread blocks have had a whole tile in each wave
/// before, they fetch first splits, the shortest first, then whole tiles, and then second splits, the longest first:
/// the thread block with the shortest first split has the most time left. So all end at about the same time, also where
/// the memory serves some thread blocks faster than others.
///
/// A thread block that has computed a first split leaves the partials to the one that fetches the second, which goes on
/// from there: every sum runs over K in the same order wherever its tile is split. By then the first split is done, or
/// nearly so, as it was fetched long before; and no wait is circular, since all thread blocks work in the order in
/// which they fetch.
struct StreamKSplit<Number: ScheduleNumber> {
    /// Number of split tiles; 0 where none are split in this launch.
    let count: Number
    /// Whether tiles are split in this launch.
    private let splits: Number.Truth
    /// The first tile that is split.
    private let first: Number
    /// `groups` tiles are split at each of the points between `parts` equal parts of K, but for `skipped` points at
    /// either end.
    private let (groups, parts, skipped): (Number, Number, Number)
    private let (tiles, grid): (Number, Number)
    private let kBlocks: Int

    /// - Parameters:
    ///   - kBlocks: k-blocks of a tile.
    ///   - left: Number of the `tiles` that are left over behind whole waves.
    ///   - splits: Whether tiles are split in this launch.
    init(
        _ rule: GEMMSchedule.Split, kBlocks: Int, tiles: Number, left: Number, grid: Number, splits: Number.Truth
    ) {
        let (zero, one) = (tiles.constant(0), tiles.constant(1))
        let groupSize = rule.inGroups ? grid / left.maximum(one) : one
        let isGrouped = groupSize.isMore(than: 1)
        groups = isGrouped.select(left, one)
        parts = isGrouped.select(groupSize, grid)
        first = tiles - splits.select(grid + left, zero)
        skipped = parts * rule.leastKBlocks / tiles.constant(kBlocks)
        count = splits.select(groups * (parts - skipped * 2 - 1), zero)
        (self.kBlocks, self.tiles, self.grid, self.splits) = (kBlocks, tiles, grid, splits)
    }

    /// Number of work tiles of all thread blocks.
    var workTiles: Number { tiles + count }

    /// A tile, or a split of one.
    struct WorkTile {
        /// Number of the tile.
        let tile: Number
        /// Its k-blocks are `firstKBlock ..< endKBlock`.
        let firstKBlock: Number
        let endKBlock: Number
        /// It ends before K does: its sums are partials for the thread block that has the second split.
        let writesPartials: Number.Truth
        /// It begins after K does: it goes on from the partials of the first split.
        let readsPartials: Number.Truth
        /// Number of the tile among those that are split, if it is.
        let slot: Number
        /// Fewer work tiles are left behind it than thread blocks are active, so that the thread block will probably
        /// have no more.
        let isAmongLast: Number.Truth
    }

    /// Work tile `number`, in the order in which they are fetched: all but second splits have the number of the tile.
    func workTile(_ number: Number) -> WorkTile {
        let isSecond = number >= tiles
        let tile = isSecond.select(number - tiles + first, number)
        let slot = tile - first
        let isFirst = isSecond.not.and(tile >= first).and(slot < count)
        let height = (slot / groups + skipped + 1) * kBlocks / parts
        return WorkTile(
            tile: tile, firstKBlock: isSecond.select(height, tiles.constant(0)),
            endKBlock: isFirst.select(height, tiles.constant(kBlocks)), writesPartials: isFirst,
            readsPartials: isSecond, slot: slot, isAmongLast: splits.and(number + grid >= workTiles))
    }
}
