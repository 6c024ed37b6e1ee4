import Accelerator
import KernelLanguage

/// Warps of a block that pass values on through shared memory by words that release and acquire.
///
/// The kernel has no race, which the simulator's judge confirms. `Scripts/racecheck` runs it to see what racecheck
/// makes of words that order other accesses.
func sharedWordCases() -> [ConformanceCase] {
    [
        ConformanceCase("operation shared words that release and acquire") { device in
            let numbers = (0..<UInt32(100)).map { $0 &* 2_654_435_761 }
            let found = try runKernel(
                on: device, name: "shared_words", threads: 64, inputs: [numbers], outputWords: numbers.count
            ) { k, inputs, output, _ in
                passOnByWords(k, from: inputs[0], to: output, count: numbers.count)
            }
            try requireEqual("output", found, numbers)
        }
    ]
}

/// The first thread of a block of at least 64 hands `count` words to the first thread of the second warp, at most
/// `capacity` ahead.
package func passOnByWords(
    _ k: KernelBuilder, from source: Pointer<UInt32>, to output: Pointer<UInt32>, count: Int, capacity: Int = 4
) {
    let numbers = k.shared(UInt32.self, count: capacity)
    let (told, taken) = (k.shared(UInt32.self, count: 1), k.shared(UInt32.self, count: 1))
    k.if(k.isFirstThread) {
        k.store(k.constant(UInt32(0)), to: told)
        k.store(k.constant(UInt32(0)), to: taken)
    }
    k.syncThreads()
    k.if(k.threadIndex == 0) {
        k.for(to: count) { index in
            k.loop {
                k.breakIf(k.load(taken, order: .acquire(.block)) + capacity > index)
                k.sleep(nanoseconds: 20)
            }
            k.store(k.load(source + index), to: numbers + index % capacity)
            k.store(index + 1, to: told, order: .release(.block))
        }
    }
    k.if(k.threadIndex == 32) {
        k.for(to: count) { index in
            k.loop {
                k.breakIf(k.load(told, order: .acquire(.block)) > index)
                k.sleep(nanoseconds: 20)
            }
            let number = k.load(numbers + index % capacity)
            k.store(number, to: output + index)
            k.store(index + 1, to: taken, order: .release(.block))
        }
    }
}
