import KernelLanguage
import Simulator

/// Rank 0 puts a row to rank 1, round after round; rank 1 reads it and answers. Every part can be left out or weakened.
struct NetworkProtocol {
    /// What says that the row is there.
    enum Signal {
        /// The put adds to the word.
        case own
        /// An add of its own behind the put.
        case separate
        /// The row comes in two puts, of which only the second has a signal.
        case ofSecondPut
        /// The row comes in two puts with signals on words of their own, and rank 1 waits for one of these.
        case ofOneOfTwo
    }

    /// What rank 1 does to the signal's word itself.
    enum Reset {
        case never
        /// Clears it before it answers.
        case beforeAnswer
        /// Clears it when the next put may be under way.
        case afterAnswer
        /// Subtracts what has come, then as well.
        case byAtomic
    }

    /// Who flushes before the source changes.
    enum Flush {
        case first
        /// Another thread, and no barrier stands behind it.
        case otherThread
        case nobody
    }

    var rounds: UInt32 = 3
    var signal = Signal.own
    var pollOrder = MemoryOrder.acquire(.system)
    /// Rank 1 polls the row's last word instead of the signal.
    var pollsRow = false
    var flush = Flush.first
    /// The two warps that write the source meet before one of them puts it.
    var barrier = true
    /// Rank 0 waits for an answer before it puts the next row to the same place.
    var answers = true
    var reset = Reset.never

    static let words = 64

    /// What rank 1 must have read in the last round.
    var expected: [UInt32] { (0..<UInt32(Self.words)).map { rounds * 1_000 + $0 } }

    var kernels: [Kernel] { get throws { [try sender(), try receiver()] } }

    /// Runs the protocol; gives what rank 1 read in the last round.
    func run(
        on machine: SimulatedMachine, rewriting rewrite: (Kernel) -> Kernel = { $0 }
    ) throws -> [UInt32] {
        let source = try machine.allocate(bytes: Self.words * 4, label: "source")
        let answer = try machine.allocate([UInt64](repeating: 0, count: 2), label: "answers")
        let row = try machine.allocate([UInt32](repeating: 0, count: Self.words), label: "row")
        let signals = try machine.allocate([UInt64](repeating: 0, count: 2), label: "signals")
        let output = try machine.allocate([UInt32](repeating: 0, count: Self.words), label: "output")
        let streams = (0..<2).map { machine.makeStream(label: "rank \($0)", rank: $0) }
        let addresses = [source, answer, row, signals, output].map { KernelArgument.address($0) }
        for (kernel, stream) in zip(try kernels, streams) {
            try machine.enqueueLaunch(Program(rewrite(kernel)), grid: 1, arguments: addresses, on: stream)
        }
        try machine.synchronizeAll()
        return try machine.read(UInt32.self, count: Self.words, from: output)
    }

    private struct Memory {
        let source: Pointer<UInt32>
        let answers: Pointer<UInt64>
        let row: Pointer<UInt32>
        let signals: Pointer<UInt64>
        let output: Pointer<UInt32>

        init(_ k: KernelBuilder) {
            source = k.pointerParameter("source", to: UInt32.self)
            answers = k.pointerParameter("answers", to: UInt64.self)
            row = k.pointerParameter("row", to: UInt32.self)
            signals = k.pointerParameter("signals", to: UInt64.self)
            output = k.pointerParameter("output", to: UInt32.self)
        }
    }

    private func path(_ k: KernelBuilder, to peer: UInt32) -> NetworkPath {
        NetworkPath(context: k.constant(UInt64(0)), peer: k.constant(peer), channel: k.constant(UInt32(1)))
    }

    private func sender() throws -> Kernel {
        try KernelBuilder.build("sender", threads: 64) { k in
            let memory = Memory(k)
            let path = path(k, to: 1)
            k.for(to: Int(rounds)) { round in
                k.if(k.isFirstThread && round > 0) {
                    if answers { poll(k, memory.answers, .acquire(.system), atLeast: round.wide) }
                    if flush == .first { k.loop { k.breakIf(k.networkFlush(path)) } }
                }
                k.syncThreads()
                if flush == .otherThread {
                    k.if(k.threadIndex == 32 && round > 0) { k.loop { k.breakIf(k.networkFlush(path)) } }
                }
                k.store((round + 1) * 1_000 + k.threadIndex, to: memory.source + k.threadIndex)
                if barrier { k.syncThreads() }
                k.if(k.isFirstThread) { put(k, memory, path) }
            }
        }
    }

    private func put(_ k: KernelBuilder, _ memory: Memory, _ path: NetworkPath) {
        let (half, one) = (Self.words / 2, k.constant(UInt64(1)))
        let (halfBytes, bytes) = (k.constant(UInt32(half * 4)), k.constant(UInt32(Self.words * 4)))
        switch signal {
        case .own:
            k.networkPut(memory.source, to: memory.row, bytes: bytes, over: path, adding: (one, memory.signals))
        case .separate:
            k.networkPut(memory.source, to: memory.row, bytes: bytes, over: path)
            k.networkAdd(one, to: memory.signals, over: path)
        case .ofSecondPut, .ofOneOfTwo:
            k.networkPut(
                memory.source, to: memory.row, bytes: halfBytes, over: path,
                adding: signal == .ofOneOfTwo ? (one, memory.signals + 1) : nil)
            k.networkPut(
                memory.source + half, to: memory.row + half, bytes: halfBytes, over: path, adding: (one, memory.signals)
            )
        }
    }

    private func receiver() throws -> Kernel {
        try KernelBuilder.build("receiver", threads: 32) { k in
            let memory = Memory(k)
            let path = path(k, to: 0)
            k.for(to: Int(rounds)) { round in
                k.if(k.isFirstLane) {
                    if pollsRow {
                        let last = memory.row + (Self.words - 1)
                        k.loop { k.breakIf(k.load(last, order: .acquire(.system)) == (round + 1) * 1_000 + 63) }
                    } else {
                        let count = reset == .never ? (round + 1).wide : k.constant(UInt64(1))
                        poll(k, memory.signals, pollOrder, atLeast: count)
                    }
                }
                k.syncWarp()
                for half in 0..<2 {
                    k.store(k.load(memory.row + (k.lane + half * 32)), to: memory.output + (k.lane + half * 32))
                }
                k.syncWarp()
                k.if(k.isFirstLane) {
                    let clear = { k.store(0, to: memory.signals, order: .relaxed(.system)) }
                    if reset == .beforeAnswer { clear() }
                    k.networkAdd(k.constant(1), to: memory.answers, over: path)
                    if reset == .afterAnswer { clear() }
                    if reset == .byAtomic {
                        k.atomicAdd(memory.signals, k.constant(UInt64.max), order: .relaxed(.system))
                    }
                }
            }
        }
    }

    private func poll(
        _ k: KernelBuilder, _ word: Pointer<UInt64>, _ order: MemoryOrder, atLeast value: Value<UInt64>
    ) {
        k.loop {
            k.breakIf(k.load(word, order: order) >= value)
            k.sleep(nanoseconds: 40)
        }
    }
}
