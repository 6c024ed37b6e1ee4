import KernelLanguage

/// A block of a grid of which some blocks work. They are spread evenly over the grid: blocks with neighbouring numbers run on
/// neighbouring multiprocessors, which share a way to the memory.
struct Worker {
    /// How many blocks work.
    let count: Value<UInt32>
    /// Whether this one does.
    let works: Condition
    /// Its number among them, if it does.
    let number: Value<UInt32>
    /// How many claims there are for all.
    let claims: Value<UInt32>
    /// nil where tiles are never cut.
    let cut: CutTiles?

    /// The calling block, where `count` blocks work on `tiles`, no more than the grid has.
    init(_ k: KernelBuilder, of count: Value<UInt32>, sharing tiles: Value<UInt32>, cut: CutTiles?) {
        let position = k.blockIndex * count
        number = position / k.gridSize
        works = position - number * k.gridSize + count >= k.gridSize
        claims = cut?.claims ?? tiles
        (self.count, self.cut) = (count, cut)
    }
}
