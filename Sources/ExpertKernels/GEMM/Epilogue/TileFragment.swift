import KernelLanguage

/// How the warps of a consumer warp group share its channels of a tile: what is multiplied at once, and which sums a
/// thread holds. A group has all rows of `GEMMPipeline.groupChannels` channels.
///
/// The tensor cores multiply 64 rows of one operand with any number of rows of the other. Either can be the weights:
/// `FewRowsFragment` and `ManyRowsFragment`. Products and their sums are the same, bit for bit.
protocol TileFragment {
    /// The parts of the tile, which are multiplied one after the other. Sums of a thread are in this order.
    var parts: [TilePart] { get }
    /// Products of one part that a thread holds.
    var products: Int { get }
    /// The 64-row operand of a part and the other one, given a stage's weights of the group's channels and its rows.
    func operands(
        _ part: TilePart, weights: SharedPointer<Float8E4M3>, rows: SharedPointer<Float8E4M3>
    ) -> (a: SharedPointer<Float8E4M3>, b: SharedPointer<Float8E4M3>)
    /// Which of the thread's rows of a part product `index` belongs to, and whether its channel is in the second of two
    /// alternating groups of eight.
    func place(_ index: Int) -> (row: Int, isSecondEight: Bool)
    /// Rows of the part, counted in the tile, that the thread holds, in the order of `place`.
    func rows(_ k: KernelBuilder, of part: TilePart) -> [Value<UInt32>]
    /// The channels of the group whose scales a lane keeps: the first of each run of neighbouring ones.
    func keptChannels(_ k: KernelBuilder) -> (firsts: [Value<UInt32>], run: Int)
    /// The scale of the channel of each product of a part, given those that the lanes keep, run by run.
    func scalesOfProducts(_ k: KernelBuilder, _ kept: [Value<Float>]) -> [Value<Float>]
    /// Transposes up to 64 rows of 64 of the group's channels into shared memory as BF16, given all sums of the thread.
    func transpose(
        _ k: KernelBuilder, _ sums: [Value<Float>], channels slice: Int, firstRow: Int, into memory: TransposedRows)
    /// Transposes rows of a part into shared memory as FP8, given one value for each pair of products that are `place`d
    /// in a first and a second eight, in the order of the products. `slice` counts 64 channels in the tile.
    func transpose(
        _ k: KernelBuilder, activated: [Value<Float>], of part: TilePart, firstSlice: Value<UInt32>,
        into memory: TransposedRows)
    /// Distances between lanes that hold values of the same rows.
    var lanesOfRow: [Int] { get }
    /// Whether a row's channels are spread over the four warps of a group.
    var spreadsRows: Bool { get }
}

/// Rows that a group multiplies at once, by all its channels.
struct TilePart {
    /// Number of the part.
    let number: Int
    /// First row of the tile, and how many.
    let firstRow: Int
    let rows: Int
}

extension GEMMConfiguration {
    /// Up to 32 rows cost the tensor cores least as the columns. From 64 on they are the 64-row operand: a thread then
    /// has two rows of each part, and so hardly any scales to fetch and multiply.
    var fragment: any TileFragment {
        tile.m < Hopper.matrixRows ? FewRowsFragment(self) : ManyRowsFragment(self)
    }
}
