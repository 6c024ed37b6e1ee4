/// How the combine send works; all constants of one kernel.
package struct CombineConfiguration: Hashable, Sendable {
    /// The ranks' windows.
    package var window: RankWindow
    /// Rows per signal, as the down GEMM's.
    package var blockM: Int
    /// Polls signals, or sends at once because the GEMM has ended before.
    package var signals: Bool
    /// Whether what was dispatched may be combined again in later steps: then rows are not told by the step in which
    /// they arrived, which with masks says of those after a failure that they are not there.
    package var repeats = false

    /// A configuration as given.
    package init(window: RankWindow, blockM: Int, signals: Bool) {
        self.window = window
        self.blockM = blockM
        self.signals = signals
    }

    /// Warps of a block: as many as have room for a row each in about 200 KB of shared memory, at most 16.
    package var warps: Int { min(16, 200 * 1024 / (window.shape.paddedHidden * 2)) }

    var kernelName: String {
        "combine_send_\(window.name)" + (signals ? "_m\(blockM)_signals" : "")
            + (repeats && window.masks ? "_repeated" : "")
    }
}
