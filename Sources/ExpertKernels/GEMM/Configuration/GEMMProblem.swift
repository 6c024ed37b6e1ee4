/// What a grouped GEMM computes: `D[e, row, n] = Σₖ A[e, row, k] × B[e, n, k]` for the first `counts[e]` rows of each
/// expert.
package struct GEMMProblem: Hashable, Sendable, CustomStringConvertible {
    /// Output channels, a multiple of 128.
    package var n: Int
    /// Channels summed over, a multiple of 128.
    package var k: Int
    /// Experts in one launch.
    package var experts: Int
    /// Rows that A and D have room for per expert.
    package var maxRows: Int
    /// Rows of scale arrays per expert and 128 channels: a multiple of 4, and room for all row blocks, whose scales are
    /// loaded whole. `ScaleGroup.rows(maxRows)` has room for those of any height.
    package var scaleRows: Int

    /// A problem as given.
    package init(n: Int, k: Int, experts: Int, maxRows: Int, scaleRows: Int? = nil) {
        self.scaleRows = scaleRows ?? ScaleGroup.rows(maxRows)
        self.n = n
        self.k = k
        self.experts = experts
        self.maxRows = maxRows
    }

    /// Blocks of 128 channels of K, which share scales; a stage of the pipeline holds one.
    package var kBlocks: Int { k / TileShape.k }

    /// Experts, and the shapes of A and B.
    package var description: String { "\(experts) x [\(maxRows), \(k)] x [\(n), \(k)]" }
}
