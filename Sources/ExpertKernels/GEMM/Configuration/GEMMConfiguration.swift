import KernelLanguage

/// The constants with which the kernel of a grouped GEMM is built: the problem, the tile, the role, and all that
/// follows from them and the card's tuning.
package struct GEMMConfiguration: Hashable, Sendable {
    /// The sizes of the product.
    package var problem: GEMMProblem
    /// The part of it that a thread block computes at a time.
    package var tile: TileShape
    /// Its role in a layer.
    package var role: GEMMRole
    /// Numbers that were measured on a card.
    package var tuning: GEMMTuning
    /// Test hook: one tile of this row block is stored and not counted. No effect where tiles are not counted.
    package var droppedSignal: RowBlock?
    /// Whether its waits follow `RankMasks`: where ranks are masked, and it waits for kernels of its own rank that may
    /// wait for other ranks.
    package var masks = false
    /// How scales of SwiGLU's result are rounded; they are stored in Float32. No effect without SwiGLU.
    package var scaleFormat = ScaleFormat.float32
    /// Whether weights have a scale for each output channel beside those of blocks; see `ChannelScaleParameters`.
    package var channelScales = false
    /// The variant of SwiGLU. No effect without SwiGLU.
    var activation = ExpertActivation(.plain, sharedExperts: 0)

    /// A configuration as given. SwiGLU needs tiles of `TileShape.maxN` channels.
    package init(
        _ problem: GEMMProblem, tile: TileShape, role: GEMMRole = .plain(), tuning: GEMMTuning = .h200,
        droppedSignal: RowBlock? = nil
    ) {
        self.problem = problem
        self.tile = tile
        self.role = role
        self.tuning = tuning
        self.droppedSignal = droppedSignal
    }

    /// Sets the variant of SwiGLU; the first `sharedExperts` experts are shared.
    package mutating func activate(_ function: Activation, sharedExperts: Int) {
        activation = ExpertActivation(function, sharedExperts: sharedExperts)
    }

    /// Stages and warps.
    package var pipeline: GEMMPipeline { GEMMPipeline(tile, role, tuning) }
    /// How thread blocks share the tiles.
    package var schedule: GEMMSchedule { GEMMSchedule(problem, tile, role, tuning) }

    /// Row blocks, and so signals, for which an expert has room.
    package var rowBlocks: Int { (problem.maxRows + tile.m - 1) / tile.m }
    /// Tiles across N: the number of adds after which a row block's signal is complete.
    package var tilesAcross: Int { TileShape.across(problem.n, tileN: tile.n) }
    /// `rowsAfter` of a GEMM whose rows this one writes; nil if another kernel comes between them.
    package var signalsForNext: Int? { role.output == .swiGLU ? tilesAcross : nil }

    /// Whether rows are kept in the L2 until the last tile across N has been multiplied, since each tile
    /// across N reads them. Without SwiGLU the output is larger than the rows, and makes better use of the
    /// room.
    var keepsRows: Bool { role.output == .swiGLU }
    /// k-blocks of each thread block's first work tile whose weights displace what has been written before the step,
    /// instead of being the first to leave the L2 themselves; nil if none do. Lines are written back at once then: one
    /// by one, as the loads of a whole step come to need their places, they take the memory several times as long.
    package var kBlocksClearingL2: Int? {
        let weightBytes = problem.experts * problem.n * problem.k
        guard role.output == .swiGLU, let rule = tuning.clearingL2, weightBytes >= rule.leastWeightBytes else {
            return nil
        }
        return rule.blockBytes / pipeline.weightBytes
    }
    /// Bytes that are kept in the L2 for `counts[e]` rows of each expert on a grid of `gridSize` thread blocks: rows
    /// where `keepsRows`, outputs, and partials of split tiles.
    package func keptBytes(counts: [Int], gridSize: Int) -> Int {
        let outputBytes = role.output == .swiGLU ? problem.n / 2 : 2 * problem.n
        return counts.reduce(0, +) * ((keepsRows ? problem.k : 0) + outputBytes)
            + TilePlan(self, counts: counts, gridSize: gridSize).partialBytes
    }

    /// `droppedSignal` where tiles are counted.
    var dropped: RowBlock? { role.countsTiles ? droppedSignal : nil }
    /// Whether a warp publishes what consumer warps have stored.
    var publishes: Bool { role.countsTiles || schedule.split != nil }
    /// Whether the tile fits the output: SwiGLU gives half as many channels, and 128 of them share a scale.
    var fitsOutput: Bool { role.output == .bfloat16 || tile.n == TileShape.maxN }

    /// Whether slices of K are long enough: while one is loaded the next work tile is fetched, and consumers may be as
    /// many stages behind as the ring has (`WorkTileQueue.capacity`).
    var fitsSlices: Bool { tile.slices == 1 || problem.kBlocks >= 2 * tile.slices }

    /// Slots for the partials of one tile each, on a grid of `gridSize` thread blocks: one for each thread block, and
    /// as many more as a tile has slices at most.
    package static func partialSlots(gridSize: Int) -> Int { gridSize + TileShape.mostSlices }
    /// Bytes of these slots, whatever the tile.
    package static func partialBytes(gridSize: Int) -> Int {
        partialSlots(gridSize: gridSize) * TileShape(m: TileShape.maxM, n: TileShape.maxN).partials * 4
    }
    /// Words of a grid: the counter of fetched work tiles, and flags of each slot, one for each consumer warp.
    package static func partialFlags(gridSize: Int) -> Int {
        1 + partialSlots(gridSize: gridSize) * GEMMPipeline.mostConsumerWarps
    }

    var kernelName: String {
        let (problem, drop) = (problem, dropped.map { "_drop\($0.expert)_\($0.index)" } ?? "")
        return "gemm_n\(problem.n)_k\(problem.k)_e\(problem.experts)_r\(problem.maxRows)_m\(tile.m)"
            + (problem.scaleRows == ScaleGroup.rows(problem.maxRows) ? "" : "_s\(problem.scaleRows)")
            + (tile.n == TileShape.maxN ? "" : "_t\(tile.n)") + (tile.slices == 1 ? "" : "_slices\(tile.slices)")
            + role.name + drop
            + (masks && !role.communicates ? "_masked" : "")
            + (role.output == .swiGLU ? scaleFormat.name + activation.name : "") + (channelScales ? "_channels" : "")
    }
}

extension GEMMConfiguration: CustomStringConvertible {
    /// The configuration part by part, each with its name.
    package var parts: [(name: String, text: String)] {
        [
            ("problem", "\(problem)"), ("tile", "\(tile)"), ("role", "\(role)"), ("pipeline", "\(pipeline)"),
            ("schedule", "\(schedule)"), ("tuning", "\(tuning)"),
        ]
    }

    /// Tile, stages, problem and role in one line.
    package var description: String {
        "\(tile), \(pipeline.stages) stages, \(problem)" + (role == .plain() ? "" : ", \(role)")
    }
}
