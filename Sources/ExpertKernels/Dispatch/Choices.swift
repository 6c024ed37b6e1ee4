import KernelLanguage

/// The experts that a rank's tokens chose: UInt64 `[tokens, topK]`, where anything but 0 ..< experts selects nothing.
struct Choices {
    let experts: Pointer<UInt64>
    let tokens: Value<UInt32>
    let shape: LayerShape

    /// The expert of choice `index`; 2³²-1 when it selects nothing.
    func expert(_ k: KernelBuilder, at index: Value<UInt32>) -> Value<UInt32> {
        let expert = k.load(experts + index)
        return (expert < shape.experts).select(expert.low, k.constant(UInt32.max))
    }

    /// How many choices name `expert`: those before `index`, and all. The warp counts together; all lanes get both.
    func count(
        _ k: KernelBuilder, of expert: Value<UInt32>, before index: Value<UInt32>
    ) -> (before: Value<UInt32>, total: Value<UInt32>) {
        let before = k.variable(k.constant(UInt32(0)))
        let total = k.variable(k.constant(UInt32(0)))
        let one = k.constant(UInt32(1))
        k.for(from: k.lane, to: tokens * shape.topK, by: k.constant(UInt32(32))) { other in
            k.if(self.expert(k, at: other) == expert) {
                total.add(one)
                k.if(other < index) { before.add(one) }
            }
        }
        return (sum(k, before.value), sum(k, total.value))
    }

    private func sum(_ k: KernelBuilder, _ value: Value<UInt32>) -> Value<UInt32> {
        [16, 8, 4, 2, 1].reduce(value) { $0 + k.shuffle($0, exclusiveOr: $1) }
    }
}
