import KernelLanguage

/// Signals between the down GEMM and the combine send: UInt32 `[localExperts, blocks]`, one for each block of `blockM`
/// rows. Each finished tile of a block adds one; the block is complete at `threshold`, the number of tiles across N.
struct BlockSignals {
    private let words: Pointer<UInt32>
    private let blocks: Int

    init(_ words: Pointer<UInt32>, blocks: Int) {
        self.words = words
        self.blocks = blocks
    }

    /// The signal of one block.
    func signal(expert: Value<UInt32>, block: Value<UInt32>) -> Pointer<UInt32> {
        words + expert.multiply(blocks, add: block)
    }
}

/// Number of signals per local expert: blocks of `blockM` rows that the rows of all ranks can fill.
package func signalBlocks(_ shape: LayerShape, blockM: Int) -> Int { (shape.maxRows + blockM - 1) / blockM }
