/// How the combine send works; all constants of one kernel.
public struct CombineConfiguration: Hashable, Sendable {
    /// The ranks' windows.
    public var window: RankWindow
    /// Rows per signal, as the down GEMM's.
    public var blockM: Int
    /// Polls signals, or sends at once because the GEMM has ended before.
    public var signals: Bool

    /// A configuration as given.
    public init(window: RankWindow, blockM: Int, signals: Bool) {
        self.window = window
        self.blockM = blockM
        self.signals = signals
    }

    /// Warps of a block: as many as have room for a row each in about 200 KB of shared memory, at most 8.
    public var warps: Int { min(8, 200 * 1024 / (window.shape.hidden * 2)) }

    var kernelName: String {
        let shape = window.shape
        return "combine_send_h\(shape.hidden)_e\(shape.experts)_n\(shape.ranks)_m\(blockM)"
            + (signals ? "_signals" : "")
    }
}
