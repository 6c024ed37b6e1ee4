import KernelLanguage

/// Counts steps in device memory, so that flags of one step are told from those of the last without clearing them, and
/// a captured graph stays valid.
///
/// Two UInt32: the number of completed steps, and the blocks of the running kernel that have finished.
struct StepCounter {
    private let words: Pointer<UInt32>

    /// UInt32 words that a counter takes.
    static let words = 2

    init(_ words: Pointer<UInt32>) { self.words = words }

    /// The step that is under way, from 1. A step's last kernel ends it: the combine receive, or a
    /// rank barrier.
    func current(_ k: KernelBuilder) -> Value<UInt32> { k.load(words) + 1 }

    /// Ends the step in a kernel of one block. Call it from one thread, after a barrier behind every use of `current`.
    func finish(_ k: KernelBuilder) { k.store(current(k), to: words) }

    /// Ends the step when the last block of the grid calls it. Call it from one thread of each block, after a barrier
    /// behind every use of `current`.
    func finishBlock(_ k: KernelBuilder) {
        let before = k.atomic(.add, words + 1, k.constant(UInt32(1)), order: .acquireRelease(.gpu))
        k.if(before + 1 == k.gridSize) {
            // All thread blocks have read the number.
            k.store(0, to: words + 1)
            k.store(current(k), to: words)
        }
    }
}
