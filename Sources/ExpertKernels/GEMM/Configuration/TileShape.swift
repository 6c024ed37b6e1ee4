/// The part of an expert's output that a thread block computes at a time.
package struct TileShape: Hashable, Sendable, CustomStringConvertible {
    /// Rows, those of a row block: one of `heights`.
    package var m: Int
    /// Output channels: 128 or 256; see `n(for:experts:multiprocessors:)`.
    package var n: Int

    /// A shape as given.
    package init(m: Int, n: Int = maxN) {
        self.m = m
        self.n = n
    }

    /// Channels of K in one k-block, as many as share a scale.
    package static let k = ScaleGroup.channels
    /// The numbers of rows that the kernel has tiles for.
    package static let heights = [16, 32, 64, 128]
    /// Rows of the highest tile.
    package static let maxM = 128
    /// Output channels of the widest tile. One bulk copy of its weights is large enough for the memory to be read at
    /// full speed, and rows are read half as often as with tiles of 128 channels.
    package static let maxN = 256
    /// Rows that are loaded at a time, as many as the lowest tile has: of high row blocks not all may be there.
    package static let rowBox = 16

    /// The lowest height that holds this many rows, for less work on rows that are not there; the highest for more.
    package static func m(holding rows: Int) -> Int { heights.first { rows <= $0 } ?? maxM }

    /// The height for experts that get this many rows on average, each row by chance: most experts should have one row
    /// block, since each row block reads the expert's weights anew. The spread is about the root of the mean.
    package static func m(meanRows: Double) -> Int {
        m(holding: Int((meanRows + 2 * meanRows.squareRoot()).rounded(.up)))
    }

    /// The width for `n` output channels on a grid of `multiprocessors`: narrow tiles only where there are too few wide
    /// ones to go round.
    package static func n(for n: Int, experts: Int, multiprocessors: Int) -> Int {
        experts * across(n, tileN: maxN) < multiprocessors ? 128 : maxN
    }

    /// Tiles of `tileN` channels across `n` output channels.
    package static func across(_ n: Int, tileN: Int) -> Int { (n + tileN - 1) / tileN }

    /// Float32 partials of the tile that a thread block leaves when it has summed up a part of K.
    var partials: Int { m * n }

    /// Rows, output channels and channels of a k-block.
    package var description: String { "\(m)x\(n)x\(Self.k) tiles" }
}
