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

    /// Pieces of each block, in order.
    public let pieces: [[Piece]]
    /// Tiles of all experts.
    public let tiles: Int
    /// Whether the last tiles are cut along K.
    public let isCut: Bool
    private let stepsOfTile: Int

    /// The plan for `counts[e]` rows of each expert on a grid of `gridSize` blocks.
    public init(_ configuration: GEMMConfiguration, counts: [Int], gridSize: Int) {
        let steps = configuration.steps
        let places = counts.enumerated().flatMap { expert, count in
            let blocks = (min(count, configuration.maxRows) + configuration.blockM - 1) / configuration.blockM
            return (0..<configuration.tilesAcross).flatMap { column in
                (0..<blocks).map { Piece(expert: expert, block: $0, column: column, steps: 0..<steps) }
            }
        }
        let (waves, rest) = places.count.quotientAndRemainder(dividingBy: gridSize)
        let share = configuration.cutsBelow
        let cuts = waves > 0 && rest > 0 && rest * share.denominator < gridSize * share.numerator
        let wholeWaves = cuts ? waves - 1 : waves + (rest > 0 ? 1 : 0)
        let units = (gridSize + rest) * steps

        tiles = places.count
        isCut = cuts
        stepsOfTile = steps
        pieces = (0..<gridSize).map { block in
            let whole = stride(from: block, to: min(wholeWaves * gridSize, places.count), by: gridSize).map {
                places[$0]
            }
            guard cuts else { return whole }
            let (begin, end) = (units * block / gridSize, units * (block + 1) / gridSize)
            var cut = stride(from: begin / steps, to: (end + steps - 1) / steps, by: 1).map { tile in
                var piece = places[wholeWaves * gridSize + tile]
                piece.steps = max(begin - tile * steps, 0)..<min(end - tile * steps, steps)
                return piece
            }
            // The head of the tile in which the range ends comes first, the tail of the one in which it begins last.
            let head = cut.last.map { $0.steps.upperBound < steps } == true ? [cut.removeLast()] : []
            let tail = cut.first.map { $0.steps.lowerBound > 0 } == true ? [cut.removeFirst()] : []
            return head + whole + cut + tail
        }
    }

    /// How many tiles go to how many blocks.
    public var description: String {
        let (waves, rest) = tiles.quotientAndRemainder(dividingBy: pieces.count)
        let grid = "\(tiles) tiles on \(pieces.count) blocks"
        if rest == 0 { return "\(grid): \(waves) each" }
        if !isCut { return waves == 0 ? grid : "\(grid): \(waves) each and \(rest) more" }
        let steps = (pieces.count + rest) * stepsOfTile
        let each = steps / pieces.count
        let range = steps % pieces.count == 0 ? "\(each)" : "\(each) or \(each + 1)"
        let whole = waves == 1 ? "" : "\(waves - 1) each, "
        return "\(grid): \(whole)\(pieces.count + rest) cut along K, \(range) steps of 128 a block"
    }
}
