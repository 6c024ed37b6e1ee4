/// What the blocks of a grid work on for given counts: `TileSchedule`, worked out on the host to be looked at.
public struct TilePlan: Hashable, Sendable, CustomStringConvertible {
    /// Work of one block on one tile.
    public struct Piece: Hashable, Sendable {
        /// Expert.
        public var expert: Int
        /// Block of rows of the expert.
        public var block: Int
        /// Tile across N.
        public var column: Int
        /// Steps of 128 channels of K.
        public var steps: Range<Int>
    }

    /// Tiles of all experts.
    public let tiles: Int
    /// Tiles that are cut along K, to be shared by two blocks.
    public let cutTiles: Int
    /// Bytes of sums that blocks leave for others.
    public let handedOnBytes: Int
    /// What blocks claim, in order.
    private let claims: [Piece]
    /// Blocks of the grid, and those of them that have work.
    private let gridSize: Int
    private let working: Int

    /// The plan for `counts[e]` rows of each expert on a grid of `gridSize` blocks.
    public init(_ configuration: GEMMConfiguration, counts: [Int], gridSize: Int) {
        let steps = configuration.steps
        let places = counts.enumerated().flatMap { expert, count in
            let blocks = (min(count, configuration.maxRows) + configuration.blockM - 1) / configuration.blockM
            return (0..<configuration.tilesAcross).flatMap { column in
                (0..<blocks).map { Piece(expert: expert, block: $0, column: column, steps: 0..<steps) }
            }
        }
        let (wavesOfAll, left) = places.count.quotientAndRemainder(dividingBy: gridSize)
        let evenWaves = max(1, wavesOfAll + (left > 0 ? 1 : 0))
        let even = (places.count + evenWaves - 1) / evenWaves
        func isLess(_ blocks: Int, than share: GEMMConfiguration.Share) -> Bool {
            blocks * share.denominator < gridSize * share.numerator
        }
        let isCut =
            configuration.cutsBelow.map { wavesOfAll > 0 && left > 0 && isLess(left, than: $0) } ?? false
            && isLess(even, than: configuration.enoughOfAll) && even < configuration.keepingUp ?? .max
        let most = configuration.spareBlocks.map { even + even * $0.numerator / $0.denominator } ?? gridSize
        let isEven = configuration.isAlone || left * wavesOfAll < gridSize
        working = isCut ? gridSize : isEven ? even : min(most, gridSize)

        // As in `CutTiles`.
        let groupSize = configuration.cutsInGroups ? gridSize / max(left, 1) : 1
        let (groups, parts) = groupSize > 1 ? (left, groupSize) : (1, gridSize)
        tiles = places.count
        let skipped = parts * configuration.leastSteps / steps
        cutTiles = isCut ? groups * (parts - 2 * skipped - 1) : 0
        handedOnBytes = cutTiles * configuration.blockM * configuration.tileN * 4
        let first = places.count - (isCut ? gridSize + left : 0)
        let heights = (0..<cutTiles).map { ($0 / groups + skipped + 1) * steps / parts }
        func part(_ tile: Int, _ steps: Range<Int>) -> Piece {
            var piece = places[tile]
            piece.steps = steps
            return piece
        }
        let heads = heights.enumerated().map { part(first + $0, 0..<$1) }
        let tails = heights.enumerated().map { part(first + $0, $1..<steps) }
        claims = places[..<first] + heads + places[(first + cutTiles)...] + tails
        self.gridSize = gridSize
    }

    /// Pieces of each block, in order: those that come to it if all blocks are equally fast. Only the first of each is fixed.
    public var pieces: [[Piece]] {
        // As in `Worker`.
        let workers = (0..<gridSize).filter { $0 * working % gridSize + working >= gridSize }
        var pieces = [[Piece]](repeating: [], count: gridSize)
        var busy = [Int](repeating: 0, count: working)
        for piece in claims {
            let worker = busy.indices.min { busy[$0] < busy[$1] }!
            busy[worker] += piece.steps.count
            pieces[workers[worker]].append(piece)
        }
        return pieces
    }

    /// How many tiles go to how many blocks.
    public var description: String {
        let grid = "\(tiles) tiles on \(working) of \(gridSize) blocks"
        return cutTiles == 0 ? grid : "\(grid), \(cutTiles) of them cut along K"
    }
}
