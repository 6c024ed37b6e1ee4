import KernelLanguage

/// The operands of a tile that the producer loads: weights, rows and row scales, a k-block at a time.
struct TileOperands {
    /// FP8 `[experts, tilesAcross, kBlocks, tile.n, 128]`.
    let packedWeights: Pointer<Float8E4M3>
    /// FP8 `[experts, maxRows, k]` in boxes of `TileShape.rowBox` rows of 128 channels.
    let rows: TensorMapParameter
    /// Float32 `[experts, kBlocks, scaleRows]`.
    let rowScales: Pointer<Float>
    let configuration: GEMMConfiguration

    private var pipeline: GEMMPipeline { configuration.pipeline }
    private var kBlocks: Int { configuration.problem.kBlocks }

    /// Bytes that are loaded into a stage.
    func bytes(of tile: ExpertTiles.Tile) -> Value<UInt32> {
        let box = TileShape.rowBox
        let boxes = (tile.rows + (box - 1)) / box
        return boxes * (box * TileShape.k) + (pipeline.weightBytes + pipeline.scaleBytes)
    }

    func loadWeights(
        _ k: KernelBuilder, _ workTile: TileScheduler.WorkTile, kBlock: Value<UInt32>, to stage: StageRing.Stage
    ) {
        func load(_ hint: CacheHint) {
            k.bulkLoad(
                weights(of: workTile.tile, kBlock: kBlock), to: stage.weights, bytes: pipeline.weightBytes,
                barrier: stage.full, cache: hint)
        }
        // Weights that other row blocks of the expert are about to read should still be in the L2 then.
        var isKept = workTile.tile.rowBlocks > 1
        if let kBlocks = configuration.kBlocksClearingL2 {
            isKept = isKept || (workTile.index == 0 && kBlock < kBlocks)
        }
        k.if(isKept, then: { load(.normal) }, else: { load(.evictFirst) })
    }

    /// Prefetches a tile's weights into the L2, of as many k-blocks as there are and no more than `limit`.
    func prefetchWeights(
        _ k: KernelBuilder, _ start: @autoclosure () -> Pointer<Float8E4M3>, kBlocks: Value<UInt32>, atMost limit: Int
    ) {
        let kBlocks = kBlocks.minimum(limit)
        k.if(kBlocks > 0) { k.bulkPrefetch(start(), bytes: kBlocks * pipeline.weightBytes) }
    }

    /// Where a k-block's weights begin; those of a tile's next k-block come right behind them.
    func weights(of tile: ExpertTiles.Tile, kBlock: Value<UInt32>) -> Pointer<Float8E4M3> {
        weights(group: tile.expert.multiply(configuration.tilesAcross, add: tile.column) * kBlocks + kBlock)
    }

    /// Where the weights of a k-block begin, by its number among those of all tiles.
    func weights(group: Value<UInt32>) -> Pointer<Float8E4M3> {
        packedWeights + group.multipliedWide(by: pipeline.weightBytes)
    }

    func loadRows(
        _ k: KernelBuilder, _ tile: ExpertTiles.Tile, kBlock: Value<UInt32>, to stage: StageRing.Stage
    ) {
        let (m, problem) = (configuration.tile.m, configuration.problem)
        // Where rows are missing, the memory in their place is multiplied as well, and nothing of it is stored.
        k.for(to: tile.rows, by: TileShape.rowBox) { first in
            k.tensorLoad(
                rows, at: [kBlock * TileShape.k, tile.rowBlock.multiply(m, add: first), tile.expert],
                to: stage.rows + first * TileShape.k, barrier: stage.full,
                cache: configuration.keepsRows ? .evictLast : .normal)
        }
        let group = tile.expert.multiply(kBlocks, add: kBlock)
        let scales = rowScales + tile.rowBlock * m
        k.bulkLoad(
            scales + group.multipliedWide(by: problem.scaleRows), to: stage.scales, bytes: pipeline.scaleBytes,
            barrier: stage.full)
    }
}
