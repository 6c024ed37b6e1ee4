import KernelLanguage
import Simulator

/// Faults between calls that use the same memory.
extension KnownFault {
    /// Two places take turns from call to call. A sender fills a place and raises its flag; with the fault to 1 in
    /// every call, so that the third finds the flag of the first.
    static let signalsOfTwoCalls = KnownFault(
        description: "the signals of two calls taken for each other", budget: 20,
        finding: .race, expected: [101, 102, 103]
    ) { machine, isPlanted in
        let calls = 3
        func flag(_ k: KernelBuilder, _ call: Value<UInt32>) -> Value<UInt32> {
            isPlanted ? k.constant(1) : call + 1
        }
        let send = try KernelBuilder.build("send", threads: 32) { k in
            let memory = CallMemory(k)
            k.if(k.isFirstThread) {
                k.for(to: calls) { call in
                    // A place is free again when the call before the last has been read.
                    k.awaitWord(memory.read) { $0 + 1 >= call }
                    k.store(call + 101, to: memory.rows + (call & 1))
                    k.store(flag(k, call), to: memory.flags + (call & 1), order: .release(.system))
                }
            }
        }
        let receive = try KernelBuilder.build("receive", threads: 32) { k in
            let memory = CallMemory(k)
            k.if(k.isFirstThread) {
                k.for(to: calls) { call in
                    k.awaitWord(memory.flags + (call & 1)) { $0 == flag(k, call) }
                    k.store(k.load(memory.rows + (call & 1)), to: memory.output + call)
                    k.store(call + 1, to: memory.read, order: .release(.system))
                }
            }
        }
        return try CallMemory.run([send, receive], on: machine, outputs: calls)
    }

    /// A sender writes a row, raises its flag, and then counts the call as sent. The receiver clears the count when it
    /// has read the row; with the fault without waiting for the count, which may come after it has been cleared, and
    /// then stands for the next call.
    static let undrainedReceiver = KnownFault(
        description: "a receiver that does not drain what is still on its way", budget: 50,
        finding: .wrongResult, expected: [1, 1]
    ) { machine, isPlanted in
        let calls = 2
        let send = try KernelBuilder.build("send", threads: 32) { k in
            let memory = CallMemory(k)
            k.if(k.isFirstThread) {
                k.for(to: calls) { call in
                    k.awaitWord(memory.read) { $0 >= call }
                    k.store(call + 101, to: memory.rows)
                    k.store(call + 1, to: memory.flags, order: .release(.system))
                    k.atomicAdd(memory.flags + 1, 1, order: .release(.system))
                }
            }
        }
        let receive = try KernelBuilder.build("receive", threads: 32) { k in
            let memory = CallMemory(k)
            k.if(k.isFirstThread) {
                k.for(to: calls) { call in
                    k.awaitWord(memory.flags) { $0 == call + 1 }
                    if !isPlanted { k.awaitWord(memory.flags + 1) { $0 == 1 } }
                    let count = k.load(memory.flags + 1, order: .acquire(.system))
                    k.store(count, to: memory.output + call)
                    k.store(k.constant(0), to: memory.flags + 1, order: .relaxed(.system))
                    k.store(call + 1, to: memory.read, order: .release(.system))
                }
            }
        }
        return try CallMemory.run([send, receive], on: machine, outputs: calls)
    }
}

/// What two ranks share over several calls.
struct CallMemory {
    let rows: Pointer<UInt32>
    /// Two of them.
    let flags: Pointer<UInt32>
    /// Calls that the receiver has read.
    let read: Pointer<UInt32>
    let output: Pointer<UInt32>

    /// Declares the parameters.
    init(_ k: KernelBuilder) {
        rows = k.pointerParameter("rows", to: UInt32.self)
        flags = k.pointerParameter("flags", to: UInt32.self)
        read = k.pointerParameter("read", to: UInt32.self)
        output = k.pointerParameter("output", to: UInt32.self)
    }

    /// Runs a kernel for each rank; gives the outputs.
    static func run(_ kernels: [Kernel], on machine: SimulatedMachine, outputs: Int) throws -> [UInt32] {
        let words = try ["rows", "flags", "read", "output"].map {
            try machine.allocate([UInt32](repeating: 0, count: 4), label: $0)
        }
        try machine.run(kernels, words.map { .address($0) })
        return try machine.read(UInt32.self, count: outputs, from: words[3])
    }
}
