import KernelLanguage

/// The calling thread block among those that have work.
struct ActiveBlock {
    /// Thread blocks that have work.
    let count: Value<UInt32>
    /// Whether this one has work.
    let isActive: Condition
    /// Its number among them, if it has.
    let number: Value<UInt32>
    /// Work tiles of all thread blocks.
    let workTiles: Value<UInt32>
    /// nil where tiles are never split.
    let split: StreamKSplit<Value<UInt32>>?
    /// nil where K of no tile is cut into slices.
    let splitK: SplitK<Value<UInt32>>?

    init(_ k: KernelBuilder, _ schedule: TileSchedule<Value<UInt32>>) {
        (number, isActive) = schedule.place(of: k.blockIndex)
        workTiles = schedule.workTiles
        (count, split, splitK) = (schedule.activeBlocks, schedule.split, schedule.splitK)
    }
}
