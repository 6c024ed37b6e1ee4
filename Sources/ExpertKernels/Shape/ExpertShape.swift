/// Sizes of a set of experts that one launch works on: those of a rank.
public struct ExpertShape: Hashable, Sendable {
    /// Channels of a token.
    public var hidden: Int
    /// Channels between an expert's two GEMMs.
    public var intermediate: Int
    /// Number of experts.
    public var experts: Int
    /// Rows that there is room for per expert.
    public var maxRows: Int
    /// Rows in one tile, see `GEMMConfiguration.blockM`.
    public var blockM: Int

    /// Sizes as given.
    public init(hidden: Int, intermediate: Int, experts: Int, maxRows: Int, blockM: Int) {
        self.hidden = hidden
        self.intermediate = intermediate
        self.experts = experts
        self.maxRows = maxRows
        self.blockM = blockM
    }

    /// Rows per scale group.
    public var scaleRows: Int { GEMMConfiguration.scaleRows(maxRows) }

    /// The gate and up GEMM, with SwiGLU where its tiles are wide enough. Where it writes sums, `swiGLUKernel` comes after.
    public func gateUp(multiprocessors: Int) -> GEMMConfiguration {
        var gateUp = gemm(n: 2 * intermediate, k: hidden, multiprocessors: multiprocessors)
        if gateUp.tileN == GEMMConfiguration.maxTileN { gateUp.output = .swiGLU }
        gateUp.behindShortKernel = true  // dispatch
        gateUp.phase = .gateUp
        return gateUp
    }

    /// The down GEMM.
    public func down(multiprocessors: Int) -> GEMMConfiguration {
        gemm(n: hidden, k: intermediate, multiprocessors: multiprocessors)
    }

    /// Bytes that both GEMMs keep in the L2 for `counts[e]` rows of each expert; see `GEMMConfiguration.keptBytes`.
    public func keptBytes(counts: [Int], multiprocessors: Int) -> Int {
        [gateUp(multiprocessors: multiprocessors), down(multiprocessors: multiprocessors)]
            .map { $0.keptBytes(counts: counts, gridSize: multiprocessors) }
            .reduce(0, +)
    }

    /// Each GEMM comes right after a kernel that writes neither its counts nor its weights, so it is a dependent one.
    private func gemm(n: Int, k: Int, multiprocessors: Int) -> GEMMConfiguration {
        GEMMConfiguration(
            n: n, k: k, experts: experts, maxRows: maxRows, scaleRows: scaleRows, blockM: blockM,
            tileN: GEMMConfiguration.tileN(n: n, experts: experts, multiprocessors: multiprocessors), dependent: true)
    }
}

extension LayerShape {
    /// All experts of one rank, in blocks of `blockM` rows.
    public func expertsOfRank(blockM: Int) -> ExpertShape {
        ExpertShape(
            hidden: hidden, intermediate: intermediate, experts: rankExperts, maxRows: maxRows, blockM: blockM)
    }
}
