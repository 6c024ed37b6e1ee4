//! Copies words: one thread for each, and the numbers by which a thread knows which word is its own.

import KernelLanguage
import Simulator

// snippet.kernel
// This closure runs once, on the host: `k` records what each thread of the GPU will do. A Swift `if` or `for` in here
// decides which code there is; `k.if` and `k.for` become code.
let threads = 64
let copy = try KernelBuilder.build("copy", threads: threads) { k in
    let source = k.pointerParameter("source", to: UInt32.self)
    let target = k.pointerParameter("target", to: UInt32.self)
    let count = k.parameter("count", UInt32.self)
    let index = k.blockIndex * threads + k.threadIndex
    // 16 thread blocks have 1,024 threads, 24 more than there are words. Without this the simulator stops at the first
    // access outside and names the line.
    k.if(index < count) {
        k.store(k.load(source + index), to: target + index)
    }
}

// snippet.run
// Host code allocates, queues and waits, as with a GPU. Work runs inside of `synchronize`.
let words = (0..<UInt32(1000)).map { $0 * 3 }
let machine = SimulatedMachine(SimulatorConfiguration(multiprocessors: 4, seed: 1))
let stream = machine.makeStream(label: "main")
let source = try machine.allocate(words, label: "source")
let target = try machine.allocate(bytes: words.count * 4, label: "target")
try machine.enqueueLaunch(
    Program(copy), grid: (words.count + threads - 1) / threads,
    arguments: [.address(source), .address(target), .uint32(UInt32(words.count))], on: stream)
try machine.synchronize(stream)

// snippet.check
let found = try machine.read(UInt32.self, count: words.count, from: target)
guard found == words else { fatalError("the copy differs from its source") }
print("copied \(words.count) words with \(machine.statistics.instructions) instructions of warps")
