import KernelLanguage
import Simulator

extension KnownFault {
    /// Three ranks, of which the last is dead. In step 1 rank 1 waits for it in vain and gives up; rank 0 does not need
    /// it. With the fault the step that rank 1 gave up does not count for it, so that it does step 1 once more while
    /// rank 0 does step 2, and takes the row of the step that failed.
    static let survivorsOutOfStep = KnownFault(
        description: "survivors out of lockstep after a failed step", budget: 5, finding: .wrongResult,
        expected: [102, 103]
    ) { machine, isPlanted in
        let steps = 3
        let send = try KernelBuilder.build("rank_0", threads: 32) { k in
            let memory = CallMemory(k)
            k.if(k.isFirstThread) {
                k.for(from: k.constant(1), to: steps + 1, by: 1) { step in
                    k.store(step + 100, to: memory.rows + step)
                    k.store(step, to: memory.flags + (step & 1), order: .release(.system))
                    k.awaitWord(memory.read) { $0 >= step }
                }
            }
        }
        let receive = try KernelBuilder.build("rank_1", threads: 32) { k in
            let memory = CallMemory(k)
            k.if(k.isFirstThread) {
                let step = k.variable(UInt32(1))
                // Nobody raises the dead rank's flag: a few looks stand for the deadline.
                let polls = k.variable(UInt32(0))
                k.loop {
                    k.breakIf(k.load(memory.flags + 2, order: .acquire(.system)) == 1 || polls.value == 3)
                    polls.add(1)
                }
                k.store(k.constant(1), to: memory.read, order: .release(.system))
                if !isPlanted { step.add(1) }
                k.for(to: steps - 1) { number in
                    let current = step.value
                    k.awaitWord(memory.flags + (current & 1)) { $0 >= current }
                    k.store(k.load(memory.rows + current), to: memory.output + number)
                    k.store(number + 2, to: memory.read, order: .release(.system))
                    step.add(1)
                }
            }
        }
        return try CallMemory.run([send, receive], on: machine, outputs: steps - 1)
    }
}
