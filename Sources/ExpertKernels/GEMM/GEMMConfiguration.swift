import KernelLanguage

/// How a grouped GEMM is cut into tiles and staged; all constants of one kernel.
///
/// `D[e, row, n] = Σₖ A[e, row, k] × B[e, n, k]` for the first `counts[e]` rows of each expert.
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
    /// Output channels of one tile: 128 or 256; see `tileN(n:experts:multiprocessors:)`.
    public var tileN: Int
    /// What is done with the sums of a tile.
    public var output: Output
    /// Bytes that the device memory could give in a second; nil if it is not known. A GEMM that runs by itself leaves multiprocessors
    /// idle if the others keep up with the memory.
    public var memoryBytesPerSecond: Int?
    /// Adds one to the block's signal after each tile.
    public var signals: Bool
    /// Launched while the kernel before may still be running, and loads weights until that has ended. Only for a kernel
    /// before that writes neither counts nor weights.
    public var dependent: Bool
    /// The kernel before a dependent GEMM leaves the multiprocessors to it early: blocks come to lie as they would alone, and not where
    /// those of another GEMM have just ended.
    public var behindShortKernel: Bool
    /// Rows come from other ranks while the GEMM runs: it waits for those of each tile by itself.
    public var arriving: RankWindow?
    /// Rows are written by a GEMM with signals that still runs: the number of adds after which a block's are there. A
    /// dependent GEMM then waits for the rows of each tile, and not for the whole kernel before it.
    public var follows: Int?
    /// Finished rows are stored straight to where their tokens came from, and announced there: the GEMM is the combine's
    /// send. Signals are then counted inside the GEMM.
    public var home: RankWindow?
    /// Which of a layer's GEMMs it is, as faults name it.
    public var phase = StepPhase.down
    /// Test hook: the add of one tile of this expert and block is left out.
    public var droppedSignal: BlockID?

    /// What becomes of the sums of a tile.
    public enum Output: Hashable, Sendable {
        /// D in BF16.
        case sums
        /// D rounded to BF16, then `silu(gate) * up`, quantised to FP8 per row and 128 channels, all `n / 2` of them. In
        /// the weights, 8 rows of gate and 8 rows of up take turns; likewise one scale of each.
        case swiGLU
    }

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
        n: Int, k: Int, experts: Int, maxRows: Int, scaleRows: Int, blockM: Int, tileN: Int = 256,
        output: Output = .sums, signals: Bool = false, dependent: Bool = false, droppedSignal: BlockID? = nil
    ) {
        self.n = n
        self.k = k
        self.experts = experts
        self.maxRows = maxRows
        self.scaleRows = scaleRows
        self.blockM = blockM
        self.tileN = tileN
        self.output = output
        self.signals = signals
        self.dependent = dependent
        behindShortKernel = false
        arriving = nil
        home = nil
        follows = nil
        memoryBytesPerSecond = nil
        self.droppedSignal = droppedSignal
    }

    /// Channels of one stage, as many as share a scale.
    public static let blockK = 128
    /// Rows that are loaded at a time, as many as the lowest block has: of high blocks not all may be there.
    public static let rowBox = 16
    /// Warp groups that multiply. Four keep the tensor cores busy while others scale and add; with many rows only two have
    /// registers enough for their sums.
    public var multiplyingGroups: Int { blockM < 64 ? tileN / 64 : 2 }
    var multiplyingWarps: Int { multiplyingGroups * 4 }
    var multiplyingThreads: Int { multiplyingWarps * 32 }
    /// Threads of a block: those that multiply, and a warp group of which one thread loads and the rest only gives its
    /// registers to the others.
    var threads: Int { multiplyingThreads + 128 }

    /// Blocks of `blockM` rows, and so signals, for which an expert has room.
    public var blocks: Int { (maxRows + blockM - 1) / blockM }
    /// Tiles across N: the number of adds after which a block's signal is complete.
    public var tilesAcross: Int { Self.tilesAcross(n: n, tileN: tileN) }
    /// What `follows` is for a GEMM whose rows this one writes; nil if another kernel comes between them.
    public var followedAfter: Int? { output == .swiGLU ? tilesAcross : nil }
    /// Tiles of `tileN` across `n` output channels.
    public static func tilesAcross(n: Int, tileN: Int) -> Int { (n + tileN - 1) / tileN }
    /// A part of a grid's blocks.
    typealias Share = (numerator: Int, denominator: Int)

    /// Tiles may be cut along K where a smaller share of the blocks than this would work on a last one; nil where they never are. Cutting
    /// costs 1 to 2 µs, and half of the multiprocessors read at nearly the full rate of the memory, so that more than half need no help;
    /// but by itself, where other blocks are idle meanwhile, less than three quarters do. By itself a GEMM with a short K needs none. With
    /// high blocks the sums that are handed on are many, so that cutting pays only where tiles take long, and with 128 rows only where no
    /// other kernel has work for blocks that would have no last tile, and where experts have one block of rows each: of several, some have
    /// few rows and are done sooner.
    var cutsBelow: Share? {
        if leastSteps == 0 { return nil }
        if isAlone { return isShort || (blockM > 64 && blocks > 1) ? nil : (3, 4) }
        return behindShortKernel || arriving != nil || blockM > (isShort ? 32 : 64) ? nil : (1, 2)
    }
    /// Whether tiles that are left over are each shared by a group of blocks, though blocks in no group have less to do: they let the
    /// next kernel start. By itself all blocks share them, so that all are done together.
    var cutsInGroups: Bool { !isAlone }
    /// Steps that both pieces of a tile that is cut have at least, as fewer are not worth the sums that are handed on; 0 where K is too
    /// short to be cut.
    var leastSteps: Int { min(3, steps / 8) }
    /// Whether the sums of a tile that is cut fit the memory of a stage's weights, which all of up to 32 rows do. Those of 64 and 128
    /// would take two and four stages, in which no weights were there behind them.
    var sumsFitStage: Bool { blockM * 4 <= Self.blockK }
    /// Whether it runs by itself. Multiprocessors that a dependent GEMM leaves, or is done with, go to the kernels around it.
    var isAlone: Bool { !dependent }
    /// Where tiles may be cut: as many blocks as share the tiles evenly are enough if they are no smaller share of all than this. Behind
    /// another GEMM it costs up to 30 % to use fewer, probably as blocks come to lie side by side where others have ended.
    var enoughOfAll: Share { (19, 20) }
    /// As many blocks as share the tiles evenly are also enough where so many keep up with the memory; nil where that does not matter.
    /// The memory gives 94 % of what it could, and blocks of more than 32 rows keep up if they multiply as fast as it reads. With
    /// fewer rows half as many would, but sums that are handed on cost little, and 86 blocks read 1 to 2 % more slowly than all from an
    /// H200's memory, from an H100's not: 0.65 µs makes it 91 and 62.
    var keepingUp: Int? {
        guard isAlone else { return nil }
        let secondsOfStep = blockM <= 32 ? 0.65e-6 : blockM <= 64 ? 0.40e-6 : 0.72e-6
        let bytesOfStep = Self.maxTileN * Self.blockK
        return Int(0.94 * Double(memoryBytesPerSecond ?? Self.fastestMemory) * secondsOfStep) / bytesOfStep
    }
    /// Bytes a second of the fastest memory that the kernel was measured with, an H200's.
    private static let fastestMemory = 4_900_000_000_000
    /// Where tiles are claimed behind another kernel: how many blocks more than share the tiles evenly work, so that those to which
    /// the memory gives more can do more; nil where all work. With 128 rows the power that the tensor cores need is nearly the limit,
    /// and blocks that would have no last tile take some of it from the others: on an H200 all take 2 % longer. Not where tiles take
    /// long.
    var spareBlocks: Share? { blockM > 64 && isShort ? (1, 10) : nil }
    /// Steps that a block has still to load of a tile when it claims the next one: few, so that the tile goes to a block that is there
    /// for it, but if there is none, the next kernel may start, and its blocks should be there when multiprocessors come free.
    var stepsLeftAtClaim: Int { isShort ? 4 : 8 }
    /// Steps of `blockK` channels that a tile takes.
    public var steps: Int { k / Self.blockK }
    /// Whether a tile takes so little time that waiting for a last one costs little.
    private var isShort: Bool { steps < 32 }
    /// Stages of the ring of loads: as many as fit the shared memory, up to `mostStages`.
    public var stages: Int { min(Self.mostStages, 222_000 / (weightBytes + rowBytes + scaleBytes)) }
    static let mostStages = 8
    /// Stages that a block has on their way at most where others fill the memory's time as well; see `LoadPacing`. With 64 KiB of
    /// weights the memory has always work: on an H100 32 KiB cost 3 %, so twice as much is enough for memory that is half as fast
    /// again.
    var stagesInFlight: Int { min(stages, 65_536 / weightBytes) }
    /// Stages that all blocks that work should have on their way where the GEMM runs by itself: 6.5 MB of weights. An H100 could do
    /// with a fifth less.
    var stagesInFlightOfGrid: Int { 200 * 32_768 / weightBytes }
    /// Stages whose weights are fetched into the L2 when the ring is full and rows are still to be waited for, so that the memory
    /// need not stand still. With more rows the L2 has better use for its room: there it costs up to 2 %.
    var stagesAhead: Int { blockM == 16 ? 4 : 0 }
    /// Stages whose weights are fetched into the L2 before anything is known of rows; see `TileLoader.fetchEarly`. Behind a GEMM
    /// whose loads still come in, one is enough.
    var stagesEarly: Int { dependent && arriving == nil ? 1 : 2 }
    /// Bytes of weights in a stage.
    public var weightBytes: Int { tileN * Self.blockK }
    /// Bytes of rows in a stage.
    public var rowBytes: Int { blockM * Self.blockK }
    /// Bytes of row scales in a stage.
    public var scaleBytes: Int { blockM * 4 }
    /// Whether rows are to stay in the L2 until the last tile across N has been multiplied, for which they are read as often as there
    /// are tiles across. Without SwiGLU the output is larger than they are, and has better use for the room.
    var keepsRows: Bool { output == .swiGLU }
    /// Bytes that are to stay in the L2 for `counts[e]` rows of each expert on a grid of `gridSize` blocks: rows if they are,
    /// outputs, and sums that are handed on.
    public func keptBytes(counts: [Int], gridSize: Int) -> Int {
        counts.reduce(0, +) * ((keepsRows ? k : 0) + (output == .swiGLU ? n / 2 : 2 * n))
            + TilePlan(self, counts: counts, gridSize: gridSize).handedOnBytes
    }
    /// Whether a warp beside the loading thread deals with other ranks.
    package var communicates: Bool { arriving != nil || home != nil }
    /// Whether a warp beside the loading thread tells others of finished pieces.
    var announces: Bool { signals || home != nil || cutsBelow != nil }
    /// Registers of a thread that multiplies, and of one of the loading warp group: together what the block starts with. With fewer the
    /// loading thread takes its time.
    var multiplierRegisters: Int { multiplyingGroups == 4 ? 104 : 224 }
    var loaderRegisters: Int { multiplyingGroups == 4 ? 64 : 56 }
    /// SwiGLU gives half as many channels as a tile has, and 128 of them share a scale.
    var fitsOutput: Bool { output == .sums || tileN == Self.maxTileN }

    /// The widest tile. One bulk copy of its weights is large enough for the memory to be read at full speed, and rows are
    /// read half as often as with tiles of 128.
    public static let maxTileN = 256
    /// The tile width for a grid of `multiprocessors`: narrow tiles only where there are too few wide ones to go round.
    public static func tileN(n: Int, experts: Int, multiprocessors: Int) -> Int {
        experts * tilesAcross(n: n, tileN: maxTileN) < multiprocessors ? 128 : maxTileN
    }

    /// Bytes in which a grid of `gridSize` blocks leaves sums of tiles that one block begins and another finishes, whatever its
    /// block height.
    public static func splitBytes(gridSize: Int) -> Int { gridSize * maxTileN * maxBlockM * 4 }

    private static let maxBlockM = 128

    /// The block heights that the kernel has.
    public static let blockHeights = [16, 32, 64, 128]

    /// The lowest block height that holds this many rows, for less work on rows that are not there; the highest for more.
    public static func blockM(holding rows: Int) -> Int {
        blockHeights.first { rows <= $0 } ?? maxBlockM
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
        "\(blockM)x\(tileN)x\(Self.blockK) tiles, \(stages) stages, "
            + "\(experts) x [\(maxRows), \(k)] x [\(n), \(k)]" + (output == .swiGLU ? ", SwiGLU" : "")
            + (signals ? ", signals" : "") + (dependent ? ", dependent launch" : "")
            + (arriving != nil ? ", arriving rows" : "") + (follows != nil ? ", rows of a running GEMM" : "")
            + (home != nil ? ", rows sent home" : "")
    }

    var kernelName: String {
        let drop = droppedSignal.map { "_drop\($0.expert)_\($0.block)" } ?? ""
        return "gemm_n\(n)_k\(k)_e\(experts)_r\(maxRows)_m\(blockM)" + (tileN == Self.maxTileN ? "" : "_t\(tileN)")
            + (output == .swiGLU ? "_swiglu" : "")
            + (signals ? "_signals" : "") + (dependent ? "_dependent" : "")
            + (arriving.map { "_arriving_\($0.name)" } ?? "") + (follows == nil ? "" : "_follows")
            + (home.map { "_home_\($0.name)" } ?? "") + drop
    }
}
