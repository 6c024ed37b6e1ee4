/// How weights of one GEMM are packed: sizes, tiles, and the order of output channels; all constants of one kernel. See
/// `PackedWeights` for the layout.
package struct WeightPacking: Hashable, Sendable {
    /// The matrices that a packed matrix is made of.
    package enum Arrangement: String, CaseIterable, Hashable, Sendable {
        /// One matrix.
        case matrix
        /// Gate and up, 8 rows of each in turns, and one row of scales of each in turns: for the GEMM with SwiGLU.
        case gateUpInTurns
        /// All rows of gate, then those of up.
        case gateAboveUp

        /// Number of matrices: 1 or 2.
        package var matrices: Int { self == .matrix ? 1 : 2 }
    }

    /// Output channels, those of gate and up together.
    package let rows: Int
    /// Channels summed over.
    package let columns: Int
    /// Output channels of a tile, `TileShape.n`: 128 or 256.
    package let tileN: Int
    /// The matrices that it is made of.
    package let arrangement: Arrangement
    /// Whether matrices may end within a group of 128 rows, or of 128 columns at a multiple of 16; the rest is zeros.
    package let endsInGroups: Bool

    /// Most rows or columns.
    package static let mostChannels = 131_072

    /// Checked sizes.
    ///
    /// - Throws: `ShapeError` for rows or columns that are no multiples of 128 (rows of gate and of up each), and for
    ///   tiles that no GEMM has.
    package init(
        rows: Int, columns: Int, tileN: Int, _ arrangement: Arrangement, endsInGroups: Bool = false
    ) throws(ShapeError) {
        self.rows = rows
        self.columns = columns
        self.tileN = tileN
        self.arrangement = arrangement
        self.endsInGroups = endsInGroups
        try ScaleGroup.require("rows of weights", rows, upTo: Self.mostChannels, times: arrangement.matrices)
        try ScaleGroup.require("columns of weights", columns, upTo: Self.mostChannels)
        let widest = arrangement == .gateUpInTurns ? TileShape.maxN : ScaleGroup.channels
        guard tileN == TileShape.maxN || tileN == widest else {
            throw ShapeError(
                name: "tileN of packed weights", value: tileN, range: widest...TileShape.maxN, step: widest)
        }
    }

    /// Rows of one of the matrices.
    package var matrixRows: Int { rows / arrangement.matrices }
    /// Bytes of an expert's packed weights, whole tiles.
    package var bytes: Int { TileShape.across(rows, tileN: tileN) * tileN * columns }
    /// Scales of an expert.
    package var scales: Int { rows / ScaleGroup.channels * (columns / ScaleGroup.channels) }

    /// Runs of 128 rows by 128 columns of an expert, which lie one behind the other in its packed weights.
    var runs: Int { bytes / Self.runBytes }
    /// Bytes of a run.
    static let runBytes = ScaleGroup.channels * ScaleGroup.channels

    /// Thread blocks that have work for this many experts, at most `limit`.
    package func blocks(experts: Int, limit: Int) -> Int { min(runs * experts, limit) }

    var kernelName: String {
        let order =
            switch arrangement {
            case .matrix: ""
            case .gateUpInTurns: "_turns"
            case .gateAboveUp: "_above"
            }
        return "pack_weights_n\(rows)_k\(columns)" + (tileN == TileShape.maxN ? "" : "_t\(tileN)") + order
            + (endsInGroups ? "_padded" : "")
    }
}

extension LayerShape {
    /// How weights of the experts' GEMMs are packed, for wide tiles and for narrow ones.
    package func weightPackings() throws(ShapeError) -> [WeightPacking] {
        func packing(
            _ rows: Int, _ columns: Int, tileN: Int, _ arrangement: WeightPacking.Arrangement
        ) throws(ShapeError) -> WeightPacking {
            try WeightPacking(
                rows: rows, columns: columns, tileN: tileN, arrangement, endsInGroups: isPadded)
        }
        let (hidden, intermediate) = (paddedHidden, paddedIntermediate)
        return [
            try packing(2 * intermediate, hidden, tileN: TileShape.maxN, .gateUpInTurns),
            try packing(2 * intermediate, hidden, tileN: 128, .gateAboveUp),
            try packing(hidden, intermediate, tileN: TileShape.maxN, .matrix),
            try packing(hidden, intermediate, tileN: 128, .matrix),
        ]
    }
}

extension ScaleGroup {
    /// Throws `ShapeError` unless `value` is a positive multiple of 128, `count` times, at most `most`.
    package static func require(
        _ name: String, _ value: Int, upTo most: Int, times count: Int = 1
    ) throws(ShapeError) {
        let step = channels * count
        guard (step...most).contains(value), value % step == 0 else {
            throw ShapeError(name: name, value: value, range: step...most, step: step)
        }
    }
}
