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
    /// Consumer warp groups. Four keep the tensor cores busy while others scale and add; with many rows only two have
    /// registers enough for their sums.
    package let consumerGroups: Int
    /// Output channels of a tile that each consumer warp group computes.
    let groupChannels: Int
    /// Most stages that a thread block has in flight where others keep the memory busy as well; see
    /// `LoadPacing`.
    let stagesInFlight: Int
    /// Stages that all active thread blocks together should have in flight where the GEMM runs by itself.
    let stagesInFlightOfGrid: Int
    /// Stages whose weights are prefetched into the L2 before row counts are known; see `ProducerWarp.prefetchFirst`.
    let stagesPrefetchedFirst: Int
    /// Stages whose weights are prefetched into the L2 when the ring is full and rows have not arrived.
    let stagesPrefetchedAhead: Int
    /// Whether partials of a split tile fit the memory of a stage's weights: those of up to 32 rows do. Those of 64 and
    /// 128 would take two and four stages, which weights behind them could not use.
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
    /// Most consumer warps of a thread block, whatever the tile.
    static let mostConsumerWarps = 4 * Hopper.warpGroupWarps
    /// Consumer warps.
    var consumerWarps: Int { consumerGroups * Hopper.warpGroupWarps }
    /// Threads of the consumer warps.
    var consumerThreads: Int { consumerWarps * Hopper.warpThreads }
    /// Threads of a thread block: the consumer warp groups, and one warp group for the other roles; see `WarpRole`.
    package var threads: Int { consumerThreads + Hopper.warpGroupThreads }
    /// Registers of a consumer thread, and of a thread of the other roles: together those that the thread block starts
    /// with. With fewer of them the producer is slower.
    var consumerRegisters: Int { consumerGroups == 4 ? 104 : 224 }
    var producerRegisters: Int { consumerGroups == 4 ? 64 : 56 }

    /// Stages and warp groups.
    package var description: String {
        "\(stages) stages of \(stageBytes) bytes, \(consumerGroups) consumer warp groups"
    }
}
