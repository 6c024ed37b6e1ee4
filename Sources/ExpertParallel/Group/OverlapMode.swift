/// What runs side by side in one step. All modes give the same bits.
public enum OverlapMode: String, CaseIterable, Hashable, Sendable {
    /// One kernel after the other.
    case none
    /// Single Batch Overlap: the shared expert runs while dispatch is received, and the combine send beside the down
    /// GEMM, block by block through signals.
    case singleBatch
}
