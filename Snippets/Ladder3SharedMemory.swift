//! Turns 128 words around through shared memory, and shows what the barrier between writing and reading is for.

import KernelLanguage
import Simulator

// snippet.kernel
let threads = 128

/// Each thread writes one word to shared memory and reads that of another thread.
func reverse(withBarrier: Bool) throws -> Kernel {
    try KernelBuilder.build("reverse", threads: threads) { k in
        let words = k.pointerParameter("words", to: UInt32.self)
        // Memory of the multiprocessor, which all threads of a thread block share.
        let tile = k.shared(UInt32.self, count: threads)
        k.store(k.load(words + k.threadIndex), to: tile + k.threadIndex)
        // Warps run at their own pace: the other thread may not have written yet. The barrier holds each until all have
        // come, and what they wrote before it is seen behind it.
        if withBarrier { k.syncThreads() }
        k.store(k.load(tile + (k.constant(UInt32(threads - 1)) - k.threadIndex)), to: words + k.threadIndex)
    }
}

// snippet.explore
/// Runs a kernel under many schedules. An exploration's machine has a judge, which knows PTX's memory model: it reports
/// two accesses that nothing orders as a race, even where the numbers happen to be right.
func explore(_ kernel: Kernel) -> ExplorationReport<[UInt32]> {
    Exploration(schedules: 20).run { machine in
        let stream = machine.makeStream(label: "main")
        let words = try machine.allocate((0..<UInt32(threads)).map { $0 }, label: "words")
        try machine.enqueueLaunch(Program(kernel), grid: 1, arguments: [.address(words)], on: stream)
        try machine.synchronize(stream)
        return try machine.read(UInt32.self, count: threads, from: words)
    }
}

// snippet.compare
let right = explore(try reverse(withBarrier: true))
guard right.failure == nil else { fatalError("\(right)") }
guard Array(right.outcomes.keys) == [(0..<UInt32(threads)).reversed()] else { fatalError("\(right.outcomes)") }

let wrong = explore(try reverse(withBarrier: false))
guard let failure = wrong.failure else { fatalError("the missing barrier was not noticed") }
print("with the barrier: the same result in \(right.schedules) schedules. Without it:\n\(failure)")
