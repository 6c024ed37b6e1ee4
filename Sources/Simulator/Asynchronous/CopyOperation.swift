import KernelLanguage

/// A bulk or tensor copy under way. Keeps the block alive, so that its shared memory is there when the copy happens.
final class CopyOperation {
    /// What it moves.
    enum Extent {
        case linear(global: UInt64, shared: UInt32, bytes: Int)
        case box(map: TensorMap, coordinates: [Int], shared: UInt32)

        /// Bytes in shared memory.
        var bytes: Int {
            switch self {
            case .linear(_, _, let bytes): bytes
            case .box(let map, _, _): map.boxBytes
            }
        }
    }

    let extent: Extent
    let block: BlockState
    let warp: Warp
    /// Index of the step that issued it.
    let step: Int
    let lane: Int
    /// Where a load reports its bytes.
    let mbarrier: UInt32
    /// The group of a store.
    let group: BulkGroups.Group?
    /// What a judge knows of it.
    var judged: JudgedCopy?
    /// What a store has read, and not yet written.
    var staged: Region?

    init(extent: Extent, warp: Warp, step: Int, lane: Int, mbarrier: UInt32 = 0, group: BulkGroups.Group? = nil) {
        self.extent = extent
        self.block = warp.block
        self.warp = warp
        self.step = step
        self.lane = lane
        self.mbarrier = mbarrier
        self.group = group
    }

    deinit { staged?.deallocate() }

    var place: ExecutionPlace { warp.place(of: step, lane: lane) }
}
