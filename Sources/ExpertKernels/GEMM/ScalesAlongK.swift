import KernelLanguage

/// Scales of a tile's weights along K. The lanes of a warp hold those of 32 steps, and a step takes its own from one of them.
///
/// Memory is read once in 32 steps, 32 steps ahead, so that no step waits for it. Loads a step ahead do not do that: what all
/// lanes load alike, ptxas moves to a uniform register in the same step, and waits for it.
struct ScalesAlongK {
    /// Scale of step 0 of each kind, and how many follow.
    let scales: [Pointer<Float>]
    let steps: Int

    /// Runs `body` for each step from `first` to before `end`, with its scale of each kind.
    func forEachStep(
        _ k: KernelBuilder, from first: Value<UInt32>, to end: Value<UInt32>,
        _ body: (Value<UInt32>, [Value<Float>]) -> Void
    ) {
        let ahead = load(k, from: first).map { k.variable($0) }
        k.for(from: first, to: end, by: k.constant(UInt32(32))) { begin in
            let held = ahead.map(\.value)
            for (variable, loaded) in zip(ahead, load(k, from: begin + 32)) { variable.value = loaded }
            k.for(from: begin, to: end.minimum(begin + 32), by: k.constant(UInt32(1))) { step in
                body(step, held.map { k.shuffle($0, from: step - begin) })
            }
        }
    }

    /// Those of 32 steps, one for each lane; of the last one where there are no more.
    private func load(_ k: KernelBuilder, from step: Value<UInt32>) -> [Value<Float>] {
        let own = (step + k.lane).minimum(k.constant(UInt32(steps - 1)))
        return scales.map { k.load($0 + own, cache: .readOnly) }
    }
}
