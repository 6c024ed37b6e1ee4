//! Hands a value from one thread block to another through a flag: a release that an acquire reads, and what goes wrong
//! without.

import KernelLanguage
import Simulator

// snippet.kernel
/// Block 0 stores a value and raises a flag; block 1 waits for the flag and reads the value.
func handOver(_ raise: MemoryOrder) throws -> Kernel {
    try KernelBuilder.build("handOver", threads: 32) { k in
        let value = k.pointerParameter("value", to: UInt32.self)
        let flag = k.pointerParameter("flag", to: UInt32.self)
        let seen = k.pointerParameter("seen", to: UInt32.self)
        k.if(k.isFirstThread) {
            k.if(k.blockIndex == 0) {
                k.store(k.constant(42), to: value)
                // A release says: who reads this with an acquire sees all that came before, at least on this GPU.
                k.store(k.constant(1), to: flag, order: raise)
            } else: {
                // Poll. Kernels of this package give every wait a deadline; see `Watchdog`.
                k.loop { k.breakIf(k.load(flag, order: .acquire(.gpu)) == 1) }
                k.store(k.load(value), to: seen)
            }
        }
    }
}

// snippet.explore
/// Random schedules: who goes on, and which of the values that the memory model allows a load sees.
func explore(_ kernel: Kernel) -> ExplorationReport<UInt32> {
    Exploration(schedules: 100).run { machine in
        let stream = machine.makeStream(label: "main")
        let words = try (0..<3).map { try machine.allocate([UInt32(0)], label: ["value", "flag", "seen"][$0]) }
        try machine.enqueueLaunch(Program(kernel), grid: 2, arguments: words.map { .address($0) }, on: stream)
        try machine.synchronize(stream)
        return try machine.read(UInt32.self, count: 1, from: words[2])[0]
    }
}

// snippet.compare
let right = explore(try handOver(.release(.gpu)))
guard right.failure == nil else { fatalError("\(right)") }
guard Array(right.outcomes.keys) == [42] else { fatalError("\(right.outcomes)") }

// Relaxed, the flag may be seen before the value. On a GPU it nearly always works, which makes it the worst of bugs.
let wrong = explore(try handOver(.relaxed(.gpu)))
guard let failure = wrong.failure else { fatalError("the relaxed store was not noticed") }
print("release: 42 in \(right.schedules) schedules. Relaxed:\n\(failure)")
