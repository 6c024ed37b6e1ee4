import Accelerator
import KernelLanguage

/// Two blocks that store, fence and load each other's word: with sequentially consistent fences at least one of them
/// sees the other's store.
func fenceCases() -> [ConformanceCase] {
    [
        ConformanceCase("operation sequential fences of two blocks") { device in
            let rounds = 200
            // A word of each block for each round, and one to start rounds together.
            let words = [UInt32](repeating: 0, count: 2 * rounds + 1)
            let found = try runKernel(
                on: device, name: "sequential_fences", blocks: 2, inputs: [words], outputWords: 2 * rounds
            ) { k, inputs, output, _ in
                let start = inputs[0] + 2 * rounds
                k.if(k.isFirstThread) {
                    k.for(to: rounds) { round in
                        k.atomicAdd(start, 1, order: .relaxed(.gpu))
                        k.loop { k.breakIf(k.load(start, order: .relaxed(.gpu)) >= (round + 1) * 2) }
                        let own = round * 2 + k.blockIndex
                        k.store(1, to: inputs[0] + own, order: .relaxed(.gpu))
                        k.sequentialFence(scope: .gpu)
                        let seen = k.load(inputs[0] + (own ^ 1), order: .relaxed(.gpu))
                        k.store(seen, to: output + own)
                    }
                }
            }
            for round in 0..<rounds {
                let (first, second) = (found[2 * round], found[2 * round + 1])
                try require(
                    first <= 1 && second <= 1 && first + second >= 1,
                    "round \(round): the blocks saw \(first) and \(second); one of them must see the other's 1")
            }
        }
    ]
}
