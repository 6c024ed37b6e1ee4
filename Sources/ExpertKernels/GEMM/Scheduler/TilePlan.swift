/// The work of a grid's thread blocks for given counts: the tile schedule on the host, for inspection.
package struct TilePlan: Hashable, Sendable, CustomStringConvertible {
    /// A tile, or a split of one along K.
    package struct WorkTile: Hashable, Sendable {
        /// Expert.
        package var expert: Int
        /// Row block of the expert.
        package var rowBlock: Int
        /// Tile across N.
        package var column: Int
        /// k-blocks of the work tile.
        package var kBlocks: Range<Int>
    }

    /// Tiles of all experts.
    package let tiles: Int
    /// Tiles that are split along K, to be shared by two thread blocks.
    package let splitTiles: Int
    /// Slices of each tile along K, which are summed up by themselves.
    package let slices: Int
    /// Bytes of partials that thread blocks leave for others.
    package let partialBytes: Int
    /// All work tiles, in the order in which thread blocks fetch them.
    private let workTiles: [WorkTile]
    private let gridSize: Int
    /// Thread blocks that have work.
    private let active: [Int]

    /// The plan for `counts[e]` rows of each expert on a grid of `gridSize` thread blocks.
    package init(_ configuration: GEMMConfiguration, counts: [Int], gridSize: Int) {
        let problem = configuration.problem
        let whole = counts.enumerated().flatMap { expert, count in
            let rowBlocks = (min(count, problem.maxRows) + configuration.tile.m - 1) / configuration.tile.m
            return (0..<configuration.tilesAcross).flatMap { column in
                (0..<rowBlocks).map {
                    WorkTile(expert: expert, rowBlock: $0, column: column, kBlocks: 0..<problem.kBlocks)
                }
            }
        }
        let schedule = TileSchedule(
            configuration.schedule, tiles: HostNumber(whole.count), grid: HostNumber(gridSize))
        workTiles = (0..<schedule.workTiles.int).map { number in
            if let slice = schedule.splitK?.slice(HostNumber(number)) {
                var tile = whole[slice.tile.int]
                tile.kBlocks = slice.firstKBlock.int..<slice.endKBlock.int
                return tile
            }
            guard let split = schedule.split?.workTile(HostNumber(number)) else { return whole[number] }
            var tile = whole[split.tile.int]
            tile.kBlocks = split.firstKBlock.int..<split.endKBlock.int
            return tile
        }
        active = (0..<gridSize).filter { schedule.place(of: HostNumber($0)).isActive }
        tiles = whole.count
        splitTiles = schedule.split?.count.int ?? 0
        slices = configuration.tile.slices
        partialBytes = (splitTiles + tiles * (slices - 1)) * configuration.tile.partials * 4
        self.gridSize = gridSize
    }

    /// Work tiles of each thread block, in order: those that come to it if all thread blocks are equally fast. Only the
    /// first of each is fixed.
    package var workTilesOfBlocks: [[WorkTile]] {
        var fetched = [[WorkTile]](repeating: [], count: gridSize)
        var busy = [Int](repeating: 0, count: active.count)
        for workTile in workTiles {
            guard let next = busy.indices.min(by: { busy[$0] < busy[$1] }) else { break }
            busy[next] += workTile.kBlocks.count
            fetched[active[next]].append(workTile)
        }
        return fetched
    }

    /// How many tiles go to how many thread blocks.
    package var description: String {
        let slices = slices == 1 ? "" : " in \(slices) slices"
        let grid = "\(tiles) tiles\(slices) on \(active.count) of \(gridSize) blocks"
        return splitTiles == 0 ? grid : "\(grid), \(splitTiles) of them split along K"
    }
}
