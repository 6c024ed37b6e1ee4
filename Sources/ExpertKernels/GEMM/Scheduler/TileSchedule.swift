/// How the tiles of a launch are shared out among the thread blocks of a persistent grid: how many thread blocks are
/// active, and which tiles are split along K.
///
/// By itself a GEMM is fastest with as many active thread blocks as share the tiles evenly. Behind another kernel all
/// are active, since the next one takes the multiprocessors of those that end early; or, where tiles are high and K is
/// short, a few more than share them evenly (`GEMMSchedule.spareBlocks`). But where few would work on a last tile, for
/// which all others would wait, only as many are active as share the tiles evenly. Behind one whole wave any number is
/// few, behind two less than a half, behind three a third, and so on: what fewer thread blocks cost, they cost in each
/// wave.
///
/// Where the multiprocessors that this leaves idle would be missed, all thread blocks are active, and tiles that are
/// left over behind whole waves are split (`GEMMSchedule.Split`, `StreamKSplit`).
struct TileSchedule<Number: ScheduleNumber> {
    /// How many thread blocks are active, no more than the grid has.
    let activeBlocks: Number
    /// nil where tiles are never split.
    let split: StreamKSplit<Number>?
    /// nil where K of no tile is cut into slices.
    let splitK: SplitK<Number>?
    private let tiles: Number
    private let grid: Number

    /// The schedule of `tiles` tiles on `grid` thread blocks. Slices of tiles are shared out as tiles are.
    init(_ schedule: GEMMSchedule, tiles: Number, grid: Number) {
        splitK = schedule.splitK.map { SplitK(slices: $0, kBlocks: schedule.kBlocks) }
        let tiles = schedule.splitK.map { tiles * $0 } ?? tiles
        self.tiles = tiles
        self.grid = grid
        let wholeWaves = tiles / grid
        let left = tiles - wholeWaves * grid
        let waves = left.isMore(than: 0).or(tiles.isZero).select(wholeWaves + 1, wholeWaves)
        let even = (tiles + waves - 1) / waves
        let unsplit =
            schedule.isAlone
            ? even : (left * wholeWaves < grid).select(even, Self.active(schedule, even: even, grid: grid))
        guard let rule = schedule.split else {
            (activeBlocks, split) = (unsplit, nil)
            return
        }
        var splits = wholeWaves.isMore(than: 0).and(left.isMore(than: 0))
            .and(left.isLess(than: rule.below, of: grid)).and(even.isLess(than: rule.evenShare, of: grid))
        if let keepingUp = rule.keepingUp { splits = splits.and(even.isLess(than: keepingUp)) }
        split = StreamKSplit(rule, kBlocks: schedule.kBlocks, tiles: tiles, left: left, grid: grid, splits: splits)
        activeBlocks = splits.select(grid, unsplit)
    }

    /// How many thread blocks are active behind another kernel where `even` of them would share the tiles evenly.
    private static func active(_ schedule: GEMMSchedule, even: Number, grid: Number) -> Number {
        guard let spare = schedule.spareBlocks else { return grid }
        return (even + even * spare.numerator / spare.denominator).minimum(grid)
    }

    /// Work tiles of all thread blocks.
    var workTiles: Number { split?.workTiles ?? tiles }

    /// Where thread block `block` of the grid stands among the active ones, which are spread evenly over the grid:
    /// thread blocks with neighbouring numbers run on neighbouring multiprocessors, which share a way to the memory.
    func place(of block: Number) -> (number: Number, isActive: Number.Truth) {
        let position = block * activeBlocks
        let number = position / grid
        return (number, position - number * grid + activeBlocks >= grid)
    }
}
