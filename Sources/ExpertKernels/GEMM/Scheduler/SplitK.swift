/// Split-K: where a rank's experts have too few tiles for all multiprocessors, K of each tile is cut into the same
/// number of slices, each a work tile that is summed up by itself. The thread block that has a tile's last slice adds
/// the others' sums to its own, in the order of the slices, and finishes the tile.
///
/// The number of slices follows from the sizes alone (`TileShape.tile`), so a row has the same bits whatever the grid
/// and the other rows. Slices of a tile are consecutive in the order in which work tiles are fetched, the last one
/// last, so a thread block waits only for work that others have fetched before.
struct SplitK<Number: ScheduleNumber> {
    let slices: Int
    let kBlocks: Int

    /// One slice.
    struct Slice {
        /// Number of the tile.
        let tile: Number
        /// Its k-blocks are `firstKBlock ..< endKBlock`.
        let firstKBlock: Number
        let endKBlock: Number
        /// It is the tile's last.
        let isLast: Number.Truth
        /// Number of its sums among those of all slices but last ones; of a last slice the number behind the tile's.
        let sums: Number
    }

    /// The slice of work tile `number`.
    func slice(_ number: Number) -> Slice {
        let tile = number / slices
        let slice = number - tile * slices
        return Slice(
            tile: tile, firstKBlock: slice * kBlocks / slices, endKBlock: (slice + 1) * kBlocks / slices,
            isLast: slice.isMore(than: slices - 2), sums: number - tile)
    }
}
