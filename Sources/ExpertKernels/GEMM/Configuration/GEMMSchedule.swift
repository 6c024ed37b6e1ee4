/// How the thread blocks of a persistent grid share the tiles of a launch: what `TilePlan` and the kernel's
/// `TileScheduler` go by.
package struct GEMMSchedule: Hashable, Sendable, CustomStringConvertible {
    /// Whether no other kernel has use for thread blocks that have no tile.
    let isAlone: Bool
    /// k-blocks of a tile.
    let kBlocks: Int
    /// nil where tiles are never split along K to end together.
    let split: Split?
    /// nil where K of no tile is cut into slices.
    let splitK: Int?
    /// How many thread blocks more than share the tiles evenly are active behind another kernel, so that those to which
    /// the memory gives more can do more; nil where all are.
    let spareBlocks: Share?
    /// k-blocks that a thread block has still to load of a tile when it fetches the next work tile: few, so that the
    /// tile goes to a thread block that is there for it, but if there is none, the next kernel may start, and its
    /// thread blocks should be there when multiprocessors come free.
    let kBlocksLeftAtFetch: Int
    /// k-blocks that a thread block has still to load of what is probably its last work tile when the next kernel may
    /// start: early enough that its thread blocks are there when multiprocessors come free, and not earlier, as they
    /// hold multiprocessors while they wait which others could use.
    let kBlocksLeftAtLaunch: Int

    /// When tiles are split along K, and how.
    struct Split: Hashable, Sendable {
        /// They are where a smaller share of the thread blocks than this would work on a last tile.
        let below: Share
        /// As many thread blocks as share the tiles evenly are enough if they are no smaller share of all than this.
        let evenShare: Share
        /// They are also enough where so many keep up with the memory; nil where that does not matter.
        let keepingUp: Int?
        /// Whether tiles that are left over are each shared by a group of thread blocks, though thread blocks in no
        /// group have less to do: they let the next kernel start. By itself all thread blocks share them, so that all
        /// are done together.
        let inGroups: Bool
        /// k-blocks that both splits of a tile have at least, as fewer are not worth the partials.
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
