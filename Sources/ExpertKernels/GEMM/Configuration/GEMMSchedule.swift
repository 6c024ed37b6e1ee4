/// How the thread blocks of a persistent grid share the tiles of a launch: the rules that `TilePlan` and the kernel's
/// `TileScheduler` follow.
package struct GEMMSchedule: Hashable, Sendable, CustomStringConvertible {
    /// Whether no other kernel could use the multiprocessors of thread blocks without a tile.
    let isAlone: Bool
    /// k-blocks of a tile.
    let kBlocks: Int
    /// nil where tiles are never split along K to end together.
    let split: Split?
    /// nil where K of no tile is cut into slices.
    let splitK: Int?
    /// Thread blocks that are active behind another kernel beyond those that share the tiles evenly, as a share of
    /// these: those with more of the memory's bandwidth can then do more. nil where all are active.
    let spareBlocks: Share?
    /// k-blocks of a tile that a thread block has still to load when it fetches the next work tile: few, so that a work
    /// tile goes to a thread block that is ready for it, but some, since the next kernel may start when no work tile is
    /// left, and its thread blocks should be there when multiprocessors come free.
    let kBlocksLeftAtFetch: Int
    /// k-blocks that a thread block has still to load of its probably last work tile when the next kernel may start:
    /// early enough for its thread blocks to be there when multiprocessors come free, and not earlier, as thread blocks
    /// that wait hold multiprocessors that others could use.
    let kBlocksLeftAtLaunch: Int

    /// When tiles are split along K, and how.
    struct Split: Hashable, Sendable {
        /// Tiles are split where a smaller share of the thread blocks than this would work on a last tile.
        let below: Share
        /// Tiles are not split where the thread blocks that share them evenly are at least this share of the grid.
        let evenShare: Share
        /// Nor where this many or more share them evenly, and so keep up with the memory; nil if not used.
        let keepingUp: Int?
        /// Whether each tile that is left over is shared by a group of thread blocks, though thread blocks in no group
        /// then have less to do: they let the next kernel start. By itself all thread blocks share all of them, so that
        /// all end together.
        let inGroups: Bool
        /// Least k-blocks of either split of a tile, as fewer are not worth the partials.
        let leastKBlocks: Int
    }

    init(_ problem: GEMMProblem, _ tile: TileShape, _ role: GEMMRole, _ tuning: GEMMTuning) {
        isAlone = role.isAlone
        kBlocks = problem.kBlocks
        let isShort = problem.kBlocks < tuning.shortKBlocks
        let leastKBlocks = min(tuning.leastSplitKBlocks, problem.kBlocks / tuning.leastSplits)
        let rowBlocks = (problem.maxRows + tile.m - 1) / tile.m
        splitK = tile.slices == 1 ? nil : tile.slices
        split =
            leastKBlocks == 0 || tile.slices > 1
            ? nil
            : tuning.splitsBelow(role, isShort: isShort, tileM: tile.m, rowBlocks: rowBlocks).map {
                Split(
                    below: $0, evenShare: tuning.evenShare,
                    keepingUp: role.isAlone ? tuning.blocksKeepingUp(tileM: tile.m) : nil, inGroups: !role.isAlone,
                    leastKBlocks: leastKBlocks)
            }
        spareBlocks = tile.m > 64 && isShort ? tuning.spareBlocks : nil
        kBlocksLeftAtFetch = isShort ? tuning.kBlocksLeftAtFetchOfShortK : tuning.kBlocksLeftAtFetch
        kBlocksLeftAtLaunch = tuning.kBlocksLeftAtLaunch
    }

    /// Whether and when tiles are split.
    package var description: String {
        splitK.map { "tiles in \($0) slices" } ?? split.map {
            "tiles split where less than \($0.below) of the thread blocks have a last one"
        } ?? "whole tiles"
    }
}
