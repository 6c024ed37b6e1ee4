/// How a grouped GEMM is cut into tiles and staged; all constants of one kernel.
///
/// `D[e, row, n] = Σₖ A[e, row, k] × B[e, n, k]` for the first `counts[e]` rows of each expert. Weights are the 64-row
/// operand of the tensor cores and rows of A (tokens) the columns, so that few tokens cost few columns.
public struct GEMMConfiguration: Hashable, Sendable, CustomStringConvertible {
    /// Output channels, a multiple of 128.
    public var n: Int
    /// Channels summed over, a multiple of 128.
    public var k: Int
    /// Experts in one launch.
    public var experts: Int
    /// Rows that A and D have room for per expert.
    public var maxRows: Int
    /// Rows per scale group of A's scale array; `GEMMConfiguration.scaleRows(maxRows)`.
    public var scaleRows: Int
    /// Rows of A in one tile: 16, 32, 64 or 128.
    public var blockM: Int
    /// Adds one to the block's signal after each tile.
    public var signals: Bool
    /// Test hook: the add of one tile of this expert and block is left out.
    public var droppedSignal: BlockID?

    /// A block of rows of a local expert.
    public struct BlockID: Hashable, Sendable {
        /// Local expert.
        public var expert: Int
        /// Block of `blockM` rows.
        public var block: Int

        /// Block `block` of local expert `expert`.
        public init(expert: Int, block: Int) {
            self.expert = expert
            self.block = block
        }
    }

    /// A configuration as given.
    public init(
        n: Int, k: Int, experts: Int, maxRows: Int, scaleRows: Int, blockM: Int, signals: Bool = false,
        droppedSignal: BlockID? = nil
    ) {
        self.n = n
        self.k = k
        self.experts = experts
        self.maxRows = maxRows
        self.scaleRows = scaleRows
        self.blockM = blockM
        self.signals = signals
        self.droppedSignal = droppedSignal
    }

    /// Output channels of one tile, as many as share a weight scale.
    public static let blockN = 128
    /// Channels of one stage, as many as share a scale.
    public static let blockK = 128

    /// Blocks of `blockM` rows, and so signals, for which an expert has room.
    public var blocks: Int { (maxRows + blockM - 1) / blockM }
    /// Tiles across N: the number of adds after which a block's signal is complete.
    public var tilesAcross: Int { n / Self.blockN }
    /// Stages of the ring of loads: as many as fit the shared memory.
    public var stages: Int { blockM == 128 ? 5 : 8 }
    /// Bytes of weights in a stage.
    public var weightBytes: Int { Self.blockN * Self.blockK }
    /// Bytes of rows in a stage.
    public var rowBytes: Int { blockM * Self.blockK }
    /// Bytes of row scales in a stage.
    public var scaleBytes: Int { blockM * 4 }

    /// The block heights that the kernel has.
    public static let blockHeights = [16, 32, 64, 128]

    /// The lowest block height that holds this many rows, for less work on rows that are not there; the highest for more.
    public static func blockM(holding rows: Int) -> Int {
        blockHeights.first { rows <= $0 } ?? 128
    }

    /// The block height for experts that get this many rows on average, each row by chance: most experts should have one
    /// block, since each block of rows reads the expert's weights anew. The spread is about the root of the mean.
    public static func blockM(meanRows: Double) -> Int {
        blockM(holding: Int((meanRows + 2 * meanRows.squareRoot()).rounded(.up)))
    }

    /// Rows per scale group for `maxRows`: whole blocks of the highest kind, as scales are loaded by the block.
    public static func scaleRows(_ maxRows: Int) -> Int { (maxRows + 127) / 128 * 128 }

    /// Tile, stages, shape.
    public var description: String {
        "\(blockM)x\(Self.blockN)x\(Self.blockK) tiles, \(stages) stages, "
            + "\(experts) x [\(maxRows), \(k)] x [\(n), \(k)]" + (signals ? ", signals" : "")
    }

    var kernelName: String {
        let drop = droppedSignal.map { "_drop\($0.expert)_\($0.block)" } ?? ""
        return "gemm_n\(n)_k\(k)_e\(experts)_r\(maxRows)_m\(blockM)" + (signals ? "_signals" : "") + drop
    }
}
