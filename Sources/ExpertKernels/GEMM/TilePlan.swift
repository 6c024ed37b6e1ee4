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

    /// Pieces of each block, in order. Where tiles are claimed, those that come to it if all blocks are equally fast.
    public let pieces: [[Piece]]
    /// Tiles of all experts.
    public let tiles: Int
    /// Tiles that are cut along K, to be shared by several blocks.
    public let cutTiles: Int
    /// Bytes of sums that blocks leave for others.
    public let handedOnBytes: Int

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
        let claiming = isEven ? even : min(most, gridSize)
        let groupSize = configuration.cutsInGroups ? gridSize / max(left, 1) : 1
        let cutters = groupSize > 1 ? groupSize * left : gridSize
        let units = (cutters + left) * steps
        let spread = isCut ? cutters : claiming

        tiles = places.count
        cutTiles = isCut ? cutters + left : 0
        pieces = (0..<gridSize).map { blockIndex in
            // As in `Worker`.
            let (before, remainder) = (blockIndex * spread).quotientAndRemainder(dividingBy: gridSize)
            let isSpread = remainder + spread >= gridSize
            guard isCut || isSpread else { return [] }
            let block = isSpread ? before : spread + blockIndex - before
            guard isCut else { return stride(from: block, to: places.count, by: claiming).map { places[$0] } }
            let whole = (0..<wavesOfAll - (block < cutters ? 1 : 0)).map { places[block + $0 * gridSize] }
            guard block < cutters else { return whole }
            let (begin, end) = (units * block / cutters, units * (block + 1) / cutters)
            var cut = stride(from: begin / steps, to: (end + steps - 1) / steps, by: 1).map { tile in
                var piece = places[(wavesOfAll - 1) * gridSize + tile + (tile < cutters ? 0 : gridSize - cutters)]
                piece.steps = max(begin - tile * steps, 0)..<min(end - tile * steps, steps)
                return piece
            }
            // After whole tiles comes the head of the one in which the range ends, and last the tail of that in which it begins.
            let head = cut.last.map { $0.steps.upperBound < steps } == true ? [cut.removeLast()] : []
            let tail = cut.first.map { $0.steps.lowerBound > 0 } == true ? [cut.removeFirst()] : []
            return whole + head + cut + tail
        }
        let heads = pieces.joined().count { $0.steps.upperBound < steps }
        handedOnBytes = heads * configuration.blockM * configuration.tileN * 4
    }

    /// Blocks take one tile after the other as they come to them; only the first of each is fixed.
    public var isClaimed: Bool { cutTiles == 0 }

    /// Blocks that have work.
    private var working: Int { pieces.count { !$0.isEmpty } }

    /// How many tiles go to how many blocks.
    public var description: String {
        let grid = "\(tiles) tiles on \(working) of \(pieces.count) blocks"
        return isClaimed ? "\(grid), claimed one by one" : "\(grid): \(cutTiles) of them cut along K"
    }
}
