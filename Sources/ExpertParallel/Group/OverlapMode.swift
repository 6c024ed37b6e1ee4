/// The overlap of communication and computation in one step. All modes give the same bits.
public enum OverlapMode: String, CaseIterable, Hashable, Sendable {
    /// One kernel after the other.
    case none
    /// Single Batch Overlap: the shared expert runs while dispatch is received, gate and up of an expert start when its
    /// rows are there, and the combine send runs beside the down GEMM, block by block through signals.
    case singleBatch
    /// Two Batch Overlap: two halves of the batch, each with its own dispatch and combine, which run beside the GEMMs
    /// of the other half. The group must be made with `twoBatch`.
    case twoBatch
    /// One batch without any communication kernel after the dispatch: as `singleBatch`, but the down GEMM itself stores
    /// its tiles to where the rows came from, and announces each block of rows with its last tile. Nothing can be
    /// stored to ranks that a network reaches: a group that has one runs `singleBatch` instead.
    case direct
}
