import KernelLanguage

/// The experts that a rank's tokens chose: UInt64 `[tokens, topK]`, where anything but 0 ..< experts selects nothing.
struct Choices {
    let experts: Pointer<UInt64>
    let tokens: Value<UInt32>
    let shape: LayerShape

    /// The expert of choice `index`, by its number in the layer; 2³²-1 when it selects nothing.
    func expert(_ k: KernelBuilder, at index: Value<UInt32>) -> Value<UInt32> {
        let expert = k.load(experts + index)
        return (expert < shape.experts).select(expert.low, k.constant(UInt32.max))
    }

    /// The expert of row `row` of a token, numbered as in `ExpertNumbers`: that of a choice, or a shared one of `rank`.
    /// 2³²-1 for a choice of nothing. All lanes ask for the same row.
    func expert(
        _ k: KernelBuilder, token: Value<UInt32>, row: Value<UInt32>, rank: Value<UInt32>
    ) -> Value<UInt32> {
        let numbers = ExpertNumbers(shape: shape)
        let result = k.variable(numbers.number(rank: rank, local: row - shape.topK))
        k.if(row < shape.topK) {
            let expert = expert(k, at: token.multiply(shape.topK, add: row))
            result.value = (expert < shape.experts).select(numbers.routed(expert), expert)
        }
        return result.value
    }

    /// Counts choices `first ..< end`: adds one to the word of each expert that they select, numbered as in
    /// `ExpertNumbers`. All threads of the block call it together, with barriers before and after.
    func count(
        _ k: KernelBuilder, from first: Value<UInt32>, to end: Value<UInt32>, threads: Int,
        into words: SharedPointer<UInt32>
    ) {
        k.for(from: first + k.threadIndex, to: end, by: threads) { index in
            let expert = expert(k, at: index)
            k.if(expert < shape.experts) {
                k.atomicAdd(words + ExpertNumbers(shape: shape).routed(expert), 1, order: .relaxed(.block))
            }
        }
    }
}

extension KernelBuilder {
    /// Sets words of shared memory to zero, with all `threads` of the block; a barrier comes after it.
    func clear(_ words: SharedPointer<UInt32>, count: Int, threads: Int) {
        `for`(from: threadIndex, to: constant(UInt32(count)), by: constant(UInt32(threads))) { index in
            store(constant(UInt32(0)), to: words + index)
        }
    }

    /// The sum of all lanes' values, on all lanes.
    func warpSum(_ value: Value<UInt32>) -> Value<UInt32> {
        [16, 8, 4, 2, 1].reduce(value) { $0 + shuffle($0, exclusiveOr: $1) }
    }

    /// The inclusive prefix sum of the lanes' values: this lane's and those of the lanes below.
    func warpPrefix(_ value: Value<UInt32>) -> Value<UInt32> {
        [1, 2, 4, 8, 16].reduce(value) { sum, distance in
            let below = shuffle(sum, up: distance)
            return sum + (lane >= distance).select(below, constant(UInt32(0)))
        }
    }
}
