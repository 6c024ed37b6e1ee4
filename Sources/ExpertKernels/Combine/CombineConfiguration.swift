/// Configuration of the combine send: all constants of one kernel.
package struct CombineConfiguration: Hashable, Sendable {
    /// The ranks' windows.
    package var window: RankWindow
    /// Rows of a row block, as in the down GEMM: each row block has a signal.
    package var blockM: Int
    /// Whether it polls signals; if not, the GEMM has ended before, and rows are sent at once.
    package var signals: Bool
    /// Whether later steps may combine the same dispatch again: then a row's step of arrival does not matter. Else,
    /// with masks, a row of another step counts as absent, as after a failed wait.
    package var repeats = false

    /// A configuration as given.
    package init(window: RankWindow, blockM: Int, signals: Bool) {
        self.window = window
        self.blockM = blockM
        self.signals = signals
    }

    /// Warps of a thread block: as many as have room for a row each in about 200 KB of shared memory, at most 16.
    package var warps: Int { min(16, 200 * 1024 / (window.shape.paddedHidden * 2)) }

    var kernelName: String {
        "combine_send_\(window.name)" + (signals ? "_m\(blockM)_signals" : "")
            + (repeats && window.masks ? "_repeated" : "")
    }
}
