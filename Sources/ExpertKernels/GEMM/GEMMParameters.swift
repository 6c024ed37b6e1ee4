import KernelLanguage

/// Parameters of every grouped GEMM; `groupedGEMMKernel` names those that come with its role.
package struct GEMMParameters: KernelParameters {
    /// FP8 `[experts, ⌈n / tile.n⌉, k / 128, tile.n, 128]`, each 128 bytes swizzled as shared memory is to hold them,
    /// with zeros where `n` does not fill the last tile.
    package var weights: MemoryParameter<Float8E4M3>
    /// FP8 `[experts, maxRows, k]` in boxes of `TileShape.rowBox` rows of 128 channels, swizzled by 128 bytes.
    package var rows: TensorParameter
    /// Float32 `[experts, n / 128, k / 128]`.
    package var weightScales: MemoryParameter<Float>
    /// Float32 `[experts, k / 128, scaleRows]`, initialised throughout.
    package var rowScales: MemoryParameter<Float>
    /// UInt32 `[experts]`; not read where rows arrive from other ranks.
    package var counts: MemoryParameter<UInt32>
    /// Written: the first `counts[e]` rows of each expert, BF16 `[experts, maxRows, n]`, or with SwiGLU FP8 `[experts,
    /// maxRows, n / 2]`. Not where rows go home, to `RankWindow.combineRows` of their ranks.
    package var output: MemoryParameter<UInt32>
    /// Written with SwiGLU only: Float32 `[experts, n / 256, scaleRows]`.
    package var outputScales: MemoryParameter<Float>
    /// Added to where tiles are counted: UInt32 `[experts, rowBlocks]`, zero before.
    package var signals: MemoryParameter<UInt32>
    /// Where partials of split tiles are passed on.
    package var partials: SplitPartialParameters
    /// Fault record and time limit of its waits.
    package var watchdog: WatchdogParameters

    /// All parameters. The GEMM does not use `outputScales` and `signals` where it says so; any address will do.
    package init(
        weights: MemoryParameter<Float8E4M3>, rows: TensorParameter, weightScales: MemoryParameter<Float>,
        rowScales: MemoryParameter<Float>, counts: MemoryParameter<UInt32>, output: MemoryParameter<UInt32>,
        outputScales: MemoryParameter<Float>, signals: MemoryParameter<UInt32>, partials: SplitPartialParameters,
        watchdog: WatchdogParameters
    ) {
        self.weights = weights
        self.rows = rows
        self.weightScales = weightScales
        self.rowScales = rowScales
        self.counts = counts
        self.output = output
        self.outputScales = outputScales
        self.signals = signals
        self.partials = partials
        self.watchdog = watchdog
    }
}

/// Memory through which thread blocks of a grouped GEMM pass on partials of split tiles.
package struct SplitPartialParameters: KernelParameters {
    /// Float32, `GEMMConfiguration.partialBytes` bytes.
    package var splitSums: MemoryParameter<Float>
    /// UInt32 `[GEMMConfiguration.partialFlags]`, zero before and after, of which the first counts work tiles that
    /// thread blocks have fetched.
    package var splitFlags: MemoryParameter<UInt32>

    /// Both.
    package init(splitSums: MemoryParameter<Float>, splitFlags: MemoryParameter<UInt32>) {
        self.splitSums = splitSums
        self.splitFlags = splitFlags
    }
}

/// Further parameters of a GEMM whose weights have a scale for each output channel.
package struct ChannelScaleParameters: KernelParameters {
    /// Float32 `[experts, n]`, in the order of the packed weights' rows; it multiplies sums that are finished.
    package var channelScales: MemoryParameter<Float>

    /// Its scales.
    package init(channelScales: MemoryParameter<Float>) { self.channelScales = channelScales }
}

/// Further parameters of a GEMM whose rows come from a GEMM before it that may still run.
package struct RowSignalParameters: KernelParameters {
    /// UInt32 `[experts, rowBlocks]`, added to by that GEMM for each tile.
    package var rowSignals: MemoryParameter<UInt32>

    /// Its signals.
    package init(rowSignals: MemoryParameter<UInt32>) { self.rowSignals = rowSignals }
}
