import KernelLanguage

/// Tiles that are cut along K where few blocks would have a last one, and the order in which blocks claim what there is.
///
/// Of the last wave and what is left over behind it most tiles are cut in two, at all heights that leave both parts worth it
/// (`GEMMConfiguration.leastSteps`): when all blocks have had a whole tile in each wave before, they claim heads, the shortest first,
/// then whole tiles, and then tails, the longest first. Who had the shortest head has the most time left. So all are done at about the
/// same time, also where the memory gives some blocks more than others.
///
/// A block that has worked on a head leaves the sums to that which claims the tail, and which goes on from there: every sum runs over K in
/// the same order wherever it is cut. By then the head is done, or nearly so, as it was claimed long before; and no block waits for one
/// that waits for others, since all work in the order in which they claim.
struct CutTiles {
    /// Whether tiles are cut in this launch.
    let isCut: Condition
    /// The first tile that is cut, and how many are; none where tiles are not cut.
    private let (first, count): (Value<UInt32>, Value<UInt32>)
    /// As many tiles as these are cut at each of the heights between `parts`, but for as many as are `skipped` at both ends.
    private let (groups, parts, skipped): (Value<UInt32>, Value<UInt32>, Value<UInt32>)
    private let (tiles, blocks): (Value<UInt32>, Value<UInt32>)
    private let steps: Int

    /// `left` of the `tiles` are left over behind whole waves.
    init(
        _ k: KernelBuilder, _ configuration: GEMMConfiguration, tiles: Value<UInt32>, left: Value<UInt32>,
        isCut: Condition
    ) {
        let (zero, one) = (k.constant(UInt32(0)), k.constant(UInt32(1)))
        let groupSize = configuration.cutsInGroups ? k.gridSize / left.maximum(one) : one
        let isGrouped = groupSize > 1
        groups = isGrouped.select(left, one)
        parts = isGrouped.select(groupSize, k.gridSize)
        first = tiles - isCut.select(k.gridSize + left, zero)
        skipped = parts * configuration.leastSteps / k.constant(UInt32(configuration.steps))
        count = isCut.select(groups * (parts - skipped * 2 - 1), zero)
        steps = configuration.steps
        (self.tiles, self.isCut, blocks) = (tiles, isCut, k.gridSize)
    }

    /// How many claims there are for all blocks.
    var claims: Value<UInt32> { tiles + count }

    /// What is claimed with a number.
    struct Work {
        /// Number of the tile.
        let tile: Value<UInt32>
        let firstStep: Value<UInt32>
        let endStep: Value<UInt32>
        let cut: TileSchedule.Cut
    }

    /// What is claimed with `number`: all but tails have the number of the tile.
    func work(_ k: KernelBuilder, claim number: Value<UInt32>) -> Work {
        let isTail = number >= tiles
        let tile = isTail.select(number - tiles + first, number)
        let slot = tile - first
        let isHead = !isTail && tile >= first && slot < count
        let height = (slot / groups + skipped + 1) * steps / parts
        return Work(
            tile: tile, firstStep: isTail.select(height, k.constant(UInt32(0))),
            endStep: isHead.select(height, k.constant(UInt32(steps))),
            cut: TileSchedule.Cut(
                isHead: isHead, isTail: isTail, slot: slot, isAmongLast: isCut && number + blocks >= claims))
    }
}
