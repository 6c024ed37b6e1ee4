/// How a thread block overlaps loads with products: stages of shared memory, and the warps that fill and empty them.
package struct GEMMPipeline: Hashable, Sendable, CustomStringConvertible {
    /// Stages of the ring, each with one k-block of a tile's weights and rows.
    package let stages: Int
    /// Bytes of weights in a stage.
    package let weightBytes: Int
    /// Bytes of rows in a stage.
    package let rowBytes: Int
    /// Bytes of row scales in a stage.
    package let scaleBytes: Int
    /// Consumer warp groups, which multiply. Four keep the tensor cores busy while others scale and add; with many rows
    /// only two have registers enough for their sums.
    package let consumerGroups: Int
    /// Output channels of a tile that each consumer warp group computes.
    let groupChannels: Int
    /// Stages that a thread block has on their way at most where others fill the memory's time as well; see
    /// `LoadPacing`.
    let stagesInFlight: Int
    /// Stages that all active thread blocks should have on their way together where the GEMM runs by itself.
    let stagesInFlightOfGrid: Int
    /// Stages whose weights are fetched into the L2 before anything is known of rows; see `ProducerWarp.prefetchFirst`.
    let stagesPrefetchedFirst: Int
    /// Stages whose weights are fetched into the L2 when the ring is full and rows are still to be waited for.
    let stagesPrefetchedAhead: Int
    /// Whether partials of a split tile fit the memory of a stage's weights, which all of up to 32 rows do. Those of 64
    /// and 128 would take two and four stages, in which no weights were there behind them.
    let partialsFitStage: Bool

    init(_ tile: TileShape, _ role: GEMMRole, _ tuning: GEMMTuning) {
        weightBytes = tile.n * TileShape.k
        rowBytes = tile.m * TileShape.k
        scaleBytes = tile.m * 4
        stages = min(tuning.mostStages, Hopper.stageRingBytes / (weightBytes + rowBytes + scaleBytes))
        consumerGroups = tile.m < Hopper.matrixRows ? tile.n / 64 : 2
        groupChannels = tile.n / consumerGroups
        stagesInFlight = min(stages, tuning.weightBytesInFlight / weightBytes)
        stagesInFlightOfGrid = tuning.weightBytesInFlightOfGrid / weightBytes
        stagesPrefetchedFirst =
            role.isDependent && role.arriving == nil
            ? tuning.stagesPrefetchedBehindGEMM : tuning.stagesPrefetchedFirst
        stagesPrefetchedAhead = tile.m == TileShape.heights[0] ? tuning.stagesPrefetchedAhead : 0
        partialsFitStage = tile.partials * 4 <= weightBytes
    }

    /// Bytes of a stage.
    package var stageBytes: Int { weightBytes + rowBytes + scaleBytes }
    /// The most warps that multiply, whatever the tile.
    static let mostConsumerWarps = 4 * Hopper.warpGroupWarps
    /// Warps that multiply.
    var consumerWarps: Int { consumerGroups * Hopper.warpGroupWarps }
    /// Threads that multiply.
    var consumerThreads: Int { consumerWarps * Hopper.warpThreads }
    /// Threads of a thread block: the consumer warp groups, and one more with the other roles; see `WarpRole`.
    package var threads: Int { consumerThreads + Hopper.warpGroupThreads }
    /// Registers of a thread that multiplies, and of one that does not: together what the thread block starts with.
    /// With fewer the producer takes its time.
    var consumerRegisters: Int { consumerGroups == 4 ? 104 : 224 }
    var producerRegisters: Int { consumerGroups == 4 ? 64 : 56 }

    /// Stages and warp groups.
    package var description: String {
        "\(stages) stages of \(stageBytes) bytes, \(consumerGroups) consumer warp groups"
    }
}
