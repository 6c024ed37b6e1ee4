//! A ring of two stages: one thread loads by bulk copies, the others work on what has arrived, and mbarriers tell them
//! when.

import KernelLanguage
import Simulator

// snippet.barriers
let (stages, tiles, words) = (2, 6, 96)

let pipeline = try KernelBuilder.build("pipeline", threads: 32 + words) { k in
    let source = k.pointerParameter("source", to: UInt32.self)
    let target = k.pointerParameter("target", to: UInt32.self)
    let ring = k.shared(UInt32.self, count: stages * words, alignment: 128)
    // An mbarrier counts arrivals and bytes. When all of a phase have come it starts the next phase, of other parity.
    let full = k.memoryBarriers(count: stages)
    let empty = k.memoryBarriers(count: stages)
    k.if(k.isFirstThread) {
        for stage in 0..<stages {
            k.initialise(MemoryBarrier(full + stage), arrivals: 1)
            k.initialise(MemoryBarrier(empty + stage), arrivals: words)
        }
        // Bulk copies are asynchronous: they go through another proxy than loads and stores, which does not see
        // these writes without a fence.
        k.proxyFence(.barrierInit)
    }
    k.syncThreads()
    // snippet.producer
    k.if(k.warpIndex == 0) {
        // The producer: one thread starts copies, and is far ahead of the consumers.
        k.if(k.elected) {
            k.for(to: tiles) { tile in
                let stage = tile % stages
                let round = tile / stages
                // The first wait for an empty stage ends at once: a phase "before the first" counts as complete.
                k.wait(MemoryBarrier(empty + stage), parity: (round & 1) ^ 1)
                k.arrive(MemoryBarrier(full + stage), expecting: words * 4)
                k.bulkLoad(
                    source + tile * words, to: ring + stage * words, bytes: words * 4,
                    barrier: MemoryBarrier(full + stage))
            }
        }
        // snippet.consumers
    } else: {
        // Consumers: a thread for each word.
        let own = k.threadIndex - 32
        k.for(to: tiles) { tile in
            let stage = tile % stages
            k.wait(MemoryBarrier(full + stage), parity: (tile / stages) & 1)
            let value = k.load(ring + (stage * words + own))
            k.arrive(MemoryBarrier(empty + stage))
            k.store(value + 1, to: target + (tile * words + own))
        }
    }
}

// snippet.explore
let numbers = (0..<UInt32(tiles * words)).map { $0 * 5 }
let report = Exploration(schedules: 20).run { machine in
    let stream = machine.makeStream(label: "main")
    let source = try machine.allocate(numbers, label: "source")
    let target = try machine.allocate(bytes: numbers.count * 4, label: "target")
    try machine.enqueueLaunch(
        Program(pipeline), grid: 1, arguments: [.address(source), .address(target)], on: stream)
    try machine.synchronize(stream)
    return try machine.read(UInt32.self, count: numbers.count, from: target)
}
guard report.failure == nil else { fatalError("\(report)") }
guard Array(report.outcomes.keys) == [numbers.map { $0 + 1 }] else { fatalError("wrong words") }
print("\(tiles) tiles through \(stages) stages: right in \(report.interleavings.count) interleavings")
