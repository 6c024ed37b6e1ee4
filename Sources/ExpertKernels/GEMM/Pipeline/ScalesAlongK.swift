import KernelLanguage

/// Scales of a tile's weights along K. The lanes of a warp hold those of 32 k-blocks, and a k-block takes its own from
/// one of them.
///
/// Memory is read once in 32 k-blocks, 32 k-blocks ahead, so that no k-block waits for it. One k-block ahead is not
/// enough: ptxas moves what all lanes load alike to a uniform register in the same k-block, and waits for it.
struct ScalesAlongK {
    /// Scale of k-block 0 of each kind, and how many follow.
    let scales: [Pointer<Float>]
    let kBlocks: Int

    private static let held = Hopper.warpThreads

    /// Runs `body` for each k-block from `first` to before `end`, with its scale of each kind.
    func forEachKBlock(
        _ k: KernelBuilder, from first: Value<UInt32>, to end: Value<UInt32>,
        _ body: (Value<UInt32>, [Value<Float>]) -> Void
    ) {
        let ahead = load(k, from: first).map { k.variable($0) }
        k.for(from: first, to: end, by: Self.held) { begin in
            let held = ahead.map(\.value)
            for (variable, loaded) in zip(ahead, load(k, from: begin + Self.held)) { variable.value = loaded }
            k.for(from: begin, to: end.minimum(begin + Self.held)) { kBlock in
                body(kBlock, held.map { k.shuffle($0, from: kBlock - begin) })
            }
        }
    }

    /// Scales of 32 k-blocks, one for each lane; past the end, that of the last k-block.
    private func load(_ k: KernelBuilder, from kBlock: Value<UInt32>) -> [Value<Float>] {
        let own = (kBlock + k.lane).minimum(kBlocks - 1)
        return scales.map { k.load($0 + own, cache: .readOnly) }
    }
}
