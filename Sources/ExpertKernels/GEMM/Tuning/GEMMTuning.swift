/// Numbers of the grouped GEMM that were measured on a card. None of them changes a result.
///
/// Each card has a file that says which run a number comes from. Runs are entries of docs/notebook.md, cited by their
/// number, such as G37.
package struct GEMMTuning: Hashable, Sendable, CustomStringConvertible {
    /// Such as "H200".
    let card: String
    /// Peak bandwidth of the device memory, in bytes per second.
    var memoryBytesPerSecond: Int
    /// The share of that bandwidth that kernels reach.
    let memoryYield: Double

    // MARK: Pipeline

    /// Stages of the ring, where the shared memory has room for as many.
    let mostStages: Int
    /// Most bytes of weights that a thread block has in flight, and all together where the GEMM runs by itself.
    let weightBytesInFlight: Int
    let weightBytesInFlightOfGrid: Int
    /// Stages whose weights a thread block prefetches into the L2 before it knows any counts, behind dispatch or by
    /// itself, and behind another GEMM.
    let stagesPrefetchedFirst: Int
    let stagesPrefetchedBehindGEMM: Int
    /// Stages whose weights a thread block with the lowest tiles prefetches into the L2 while it waits for rows.
    let stagesPrefetchedAhead: Int
    /// See `GEMMConfiguration.kBlocksClearingL2`; nil if it never pays.
    let clearingL2: ClearingL2?

    // MARK: Schedule

    /// k-blocks below which a tile takes so little time that waiting for a last one costs little.
    let shortKBlocks: Int
    /// Least k-blocks of a split: so many, or the tile's divided by `leastSplits` if that is less.
    let leastSplitKBlocks: Int
    let leastSplits: Int
    /// See `GEMMSchedule.Split.below`: by itself, and behind another GEMM.
    let splitsBelowAlone: Share
    let splitsBelowBehindGEMM: Share
    /// The highest tiles that are split behind another GEMM, with a short K and with a long one.
    let highestSplitOfShortK: Int
    let highestSplit: Int
    /// See `GEMMSchedule.Split.evenShare`.
    let evenShare: Share
    /// Seconds in which a thread block multiplies a k-block of a tile of 256 channels; they tell how many thread blocks
    /// keep up with the memory.
    let kBlockSeconds: KBlockSeconds
    /// See `GEMMSchedule.spareBlocks`.
    let spareBlocks: Share
    /// See `GEMMSchedule.kBlocksLeftAtFetch`.
    let kBlocksLeftAtFetch: Int
    let kBlocksLeftAtFetchOfShortK: Int
    /// See `GEMMSchedule.kBlocksLeftAtLaunch`.
    let kBlocksLeftAtLaunch: Int

    /// Seconds by the height of a tile.
    struct KBlockSeconds: Hashable, Sendable {
        let upTo32Rows: Double
        let upTo64Rows: Double
        let upTo128Rows: Double
    }

    /// Which weights clear the L2 of what others have written.
    struct ClearingL2: Hashable, Sendable {
        /// Bytes of gate's and up's weights, of all experts, from which it pays.
        let leastWeightBytes: Int
        /// Bytes of each thread block: together twice the L2.
        let blockBytes: Int
    }

    /// The tuning of the card whose memory bandwidth is closest to the device's, but with the device's own bandwidth.
    ///
    /// - Parameter memoryBytesPerSecond: Peak bandwidth of the device memory; nil if unknown, which gives `h200`.
    package static func device(memoryBytesPerSecond: Int?) -> GEMMTuning {
        guard let memoryBytesPerSecond else { return h200 }
        let isH100 = 2 * memoryBytesPerSecond < h100.memoryBytesPerSecond + h200.memoryBytesPerSecond
        var tuning = isH100 ? h100 : h200
        tuning.memoryBytesPerSecond = memoryBytesPerSecond
        return tuning
    }

    /// The card, and the memory's bandwidth.
    package var description: String { "\(card), \(Double(memoryBytesPerSecond / 1_000_000_000) / 1e3) TB/s" }

    /// The share of thread blocks with a last tile below which tiles are split; nil if they never are.
    ///
    /// Splitting costs 1 to 2 µs, and half of the multiprocessors read at nearly the full rate of the memory, so that
    /// more than half need no help; but by itself, where other thread blocks are idle meanwhile, less than three
    /// quarters do. By itself a GEMM with a short K needs none. High tiles have many partials, so that splitting them
    /// pays only where they take long, and with 128 rows only where no other kernel has work for thread blocks that
    /// would have no last tile, and where experts have one row block each: of several, some have few rows and are done
    /// sooner.
    func splitsBelow(_ role: GEMMRole, isShort: Bool, tileM: Int, rowBlocks: Int) -> Share? {
        if role.isAlone { return isShort || (tileM > 64 && rowBlocks > 1) ? nil : splitsBelowAlone }
        let isHigh = tileM > (isShort ? highestSplitOfShortK : highestSplit)
        return role.isBehindDispatch || isHigh ? nil : splitsBelowBehindGEMM
    }

    /// Number of thread blocks that together multiply as fast as the memory reads.
    func blocksKeepingUp(tileM: Int) -> Int {
        let seconds =
            tileM <= 32 ? kBlockSeconds.upTo32Rows : tileM <= 64 ? kBlockSeconds.upTo64Rows : kBlockSeconds.upTo128Rows
        let bytes = TileShape.maxN * TileShape.k
        return Int(memoryYield * Double(memoryBytesPerSecond) * seconds) / bytes
    }
}
