import KernelLanguage

/// Signals of a GEMM's row blocks for the kernel that reads its rows beside it: UInt32 `[rankExperts, blocks]`. Each
/// finished tile adds one to that of its row block, which is complete at the number of tiles across N.
struct BlockSignals {
    private let words: Pointer<UInt32>
    private let blocks: Int

    init(_ words: Pointer<UInt32>, blocks: Int) {
        self.words = words
        self.blocks = blocks
    }

    /// The signal of one row block.
    func signal(expert: Value<UInt32>, block: Value<UInt32>) -> Pointer<UInt32> {
        words + expert.multiply(blocks, add: block)
    }
}

/// Number of signals per local expert: row blocks of `blockM` rows that the rows of all ranks can fill.
package func signalBlocks(_ shape: LayerShape, blockM: Int) -> Int { (shape.maxRows + blockM - 1) / blockM }
