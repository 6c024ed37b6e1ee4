import KernelLanguage
import Simulator

extension KnownFault {
    /// A counter of rows; with the fault its sender counts in 64 bits, and its receiver still reads 32.
    static let widenedCounter = KnownFault(
        description: "a counter widened on one side only", budget: 5, finding: .raceSaying("different sizes"),
        expected: [7]
    ) { machine, isPlanted in
        let send = try KernelBuilder.build("send", threads: 32) { k in
            let memory = CallMemory(k)
            k.if(k.isFirstThread) {
                k.store(k.constant(7), to: memory.rows)
                _ = k.atomic(
                    .add, memory.flags.cast(to: UInt64.self), k.constant(UInt64(1)), order: .release(.system))
            }
        }
        let receive = try KernelBuilder.build("receive", threads: 32) { k in
            let memory = CallMemory(k)
            k.if(k.isFirstThread) {
                if isPlanted {
                    k.awaitWord(memory.flags) { $0 >= 1 }
                } else {
                    k.awaitWord(memory.flags.cast(to: UInt64.self)) { $0 >= 1 }
                }
                k.store(k.load(memory.rows), to: memory.output)
            }
        }
        return try CallMemory.run([send, receive], on: machine, outputs: 1)
    }
}
