import KernelLanguage

/// A block of a grid of which some blocks work. They are spread evenly over the grid: blocks with neighbouring numbers run on
/// neighbouring multiprocessors, which share a way to the memory. Where tiles are cut all blocks work, and those that share the cut
/// ones are spread.
struct Worker {
    /// How many tiles there are for all.
    let tiles: Value<UInt32>
    /// How many blocks work.
    let count: Value<UInt32>
    /// Whether this one does.
    let works: Condition
    /// Its number among them, if it does; the first are those of the spread ones.
    let number: Value<UInt32>
    /// How many are spread over the grid.
    let spread: Value<UInt32>
    /// Whether they cut tiles; nil where tiles are never cut.
    let isCut: Condition?

    /// The calling block, where `spread` blocks work on `tiles`, or share those that are cut; no more than the grid has.
    init(_ k: KernelBuilder, spread: Value<UInt32>, sharing tiles: Value<UInt32>, isCut: Condition?) {
        let position = k.blockIndex * spread
        let before = position / k.gridSize
        let isSpread = position - before * k.gridSize + spread >= k.gridSize
        (self.tiles, self.spread, self.isCut) = (tiles, spread, isCut)
        guard let isCut else {
            (count, works, number) = (spread, isSpread, before)
            return
        }
        count = isCut.select(k.gridSize, spread)
        works = isCut || isSpread
        number = isSpread.select(before, spread + k.blockIndex - before)
    }
}
