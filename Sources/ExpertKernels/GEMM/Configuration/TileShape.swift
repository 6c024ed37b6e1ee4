/// The part of an expert's output that a thread block computes at a time.
package struct TileShape: Hashable, Sendable, CustomStringConvertible {
    /// Rows, those of a row block: one of `heights`.
    package var m: Int
    /// Output channels: 128 or 256; see `n(for:experts:multiprocessors:)`.
    package var n: Int
    /// Number of slices that K is cut into, see `SplitK`; 1 where it is not cut.
    package var slices: Int

    /// A shape as given.
    package init(m: Int, n: Int = maxN, slices: Int = 1) {
        self.m = m
        self.n = n
        self.slices = slices
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
    /// Rows that are loaded at a time, as many as the lowest tile has: a higher row block may not have all its rows.
    package static let rowBox = 16

    /// The lowest height that holds this many rows, for less work on rows that do not exist; `maxM` for more.
    package static func m(holding rows: Int) -> Int { heights.first { rows <= $0 } ?? maxM }

    /// The height for experts that get this many rows on average, each row by chance: most experts should have one row
    /// block, since each row block reads the expert's weights anew. The spread is about the root of the mean.
    package static func m(meanRows: Double) -> Int {
        m(holding: Int((meanRows + 2 * meanRows.squareRoot()).rounded(.up)))
    }

    /// The width for `n` output channels on a grid of `multiprocessors`: narrow tiles only where there are fewer wide
    /// ones than multiprocessors.
    package static func n(for n: Int, experts: Int, multiprocessors: Int) -> Int {
        experts * across(n, tileN: maxN) < multiprocessors ? 128 : maxN
    }

    /// The most slices that K is cut into: the last one's thread block reads the sums of all others.
    package static let mostSlices = 8
    /// k-blocks of a slice at least.
    private static let leastSliceKBlocks = 4
    /// k-blocks from which on K is long enough for slices of wide tiles.
    private static let longKBlocks = 32
    /// Multiprocessors of a Hopper GPU that suffice to keep up with the memory.
    private static let keepingUp = 88

    /// The tile for a set of experts of which each has one row block, as most do.
    ///
    /// With few experts K is cut into slices until there is work for all multiprocessors. How many slices there are
    /// goes by the sizes and `wholeM` alone, as sums depend on it: not by the multiprocessors of the rank.
    ///
    /// - Parameters:
    ///   - m: Rows of a row block.
    ///   - wholeM: The same for the whole batch, where this is for a half of one.
    ///   - multiprocessors: Multiprocessors that the rank has for itself.
    static func tile(_ problem: GEMMProblem, m: Int, wholeM: Int, multiprocessors: Int) -> TileShape {
        let wide = problem.experts * across(problem.n, tileN: maxN)
        let narrow = problem.experts * across(problem.n, tileN: maxN / 2)
        func slices(_ tiles: Int, atMost most: Int) -> Int {
            var slices = 1
            while 2 * slices <= most, 2 * slices * tiles <= Hopper.multiprocessors,
                problem.kBlocks / (2 * slices) >= leastSliceKBlocks
            {
                slices *= 2
            }
            return slices
        }
        // Where K is long, wide tiles can have SwiGLU in their epilogue. With more than 32 rows they have so many sums
        // that more than two slices cost more than narrow tiles; with 128 there are no registers for it.
        let isLong = problem.kBlocks >= longKBlocks
        let ofWide = slices(wide, atMost: !isLong || wholeM > 64 ? 1 : wholeM > 32 ? 2 : mostSlices)
        if wide < keepingUp, ofWide > 1, wide * ofWide >= keepingUp { return TileShape(m: m, slices: ofWide) }
        let ofNarrow = slices(narrow, atMost: 4)
        if narrow < keepingUp, ofNarrow > 1 { return TileShape(m: m, n: maxN / 2, slices: ofNarrow) }
        let areEnough = 3 * wide >= 2 * multiprocessors
        return TileShape(
            m: m, n: areEnough ? maxN : n(for: problem.n, experts: problem.experts, multiprocessors: multiprocessors))
    }

    /// Tiles of `tileN` channels across `n` output channels.
    package static func across(_ n: Int, tileN: Int) -> Int { (n + tileN - 1) / tileN }

    /// Number of Float32 partials that a thread block leaves when it has summed up a part of the tile's K.
    var partials: Int { m * n }

    /// Rows, output channels and channels of a k-block.
    package var description: String {
        "\(m)x\(n)x\(Self.k) tiles" + (slices == 1 ? "" : ", K in \(slices) slices")
    }
}
