import KernelLanguage
import Simulator
import Testing

/// What the network does without a judge: all that no network promises not to, sooner or later.
@Suite struct NetworkTests {
    private static let words = 256

    private func harness(
        seed: UInt64, _ order: NetworkConfiguration.Order = .unordered, queueDepth: Int = 64, halts: [RankHalt] = []
    ) -> (Harness, StreamID) {
        let harness = Harness(seed: seed) {
            $0.network = NetworkConfiguration(order: order, channels: 4, queueDepth: queueDepth)
            $0.halts = halts
        }
        return (harness, harness.machine.makeStream(label: "other", rank: 1))
    }

    /// A kernel of one thread that is given a source, a target and a word on rank 1, and a word of its own.
    private func kernel(
        _ name: String = "asking",
        _ body: (KernelBuilder, Pointer<UInt32>, Pointer<UInt32>, Pointer<UInt64>, Pointer<UInt64>) -> Void
    ) throws -> Kernel {
        try KernelBuilder.build(name, threads: 32) { k in
            let source = k.pointerParameter("source", to: UInt32.self)
            let target = k.pointerParameter("target", to: UInt32.self)
            let word = k.pointerParameter("word", to: UInt64.self)
            let own = k.pointerParameter("own", to: UInt64.self)
            k.if(k.isFirstLane) { body(k, source, target, word, own) }
        }
    }

    private func path(_ k: KernelBuilder, channel: UInt32 = 0) -> NetworkPath {
        NetworkPath(context: k.constant(UInt64(0)), peer: k.constant(UInt32(1)), channel: k.constant(channel))
    }

    /// Source, target, the word of rank 1 and that of rank 0.
    private func memory(_ harness: Harness) throws -> [UInt64] {
        [
            try harness.buffer([UInt32](repeating: 7, count: Self.words), "source"),
            try harness.buffer([UInt32](repeating: 0, count: Self.words), "target"),
            try harness.buffer([UInt64](repeating: 0, count: 2), "word"),
            try harness.buffer([UInt64](repeating: 0, count: 2), "own"),
        ]
    }

    private func run(_ harness: Harness, _ other: StreamID, _ first: Kernel, _ second: Kernel) throws -> [UInt64] {
        let memory = try memory(harness)
        let arguments = memory.map { KernelArgument.address($0) }
        try harness.launch(first, arguments)
        try harness.launch(second, arguments, on: other)
        try harness.machine.synchronizeAll()
        return memory
    }

    private let bytes = UInt32(NetworkTests.words * 4)

    /// Reads the target's first and last word when rank 1's word has come.
    private func reader() throws -> Kernel {
        try kernel("reading") { k, _, target, word, own in
            k.loop {
                k.breakIf(k.load(word, order: .acquire(.system)) >= 1)
                k.sleep(nanoseconds: 20)
            }
            k.store(k.load(target).wide, to: own)
            k.store(k.load(target + (Self.words - 1)).wide, to: own + 1)
        }
    }

    private func seen(
        _ order: NetworkConfiguration.Order,
        _ asking: (KernelBuilder, NetworkPath, [Pointer<UInt32>], Pointer<UInt64>) -> Void
    ) throws -> Set<[UInt64]> {
        var seen: Set<[UInt64]> = []
        let sender = try kernel { k, source, target, word, _ in asking(k, path(k), [source, target], word) }
        let reader = try reader()
        for seed in 0..<60 {
            let (harness, other) = harness(seed: UInt64(seed), order)
            let memory = try run(harness, other, sender, reader)
            seen.insert(try harness.read(UInt64.self, count: 2, at: memory[3]))
        }
        return seen
    }

    @Test(arguments: NetworkConfiguration.Order.allCases)
    func aPutIsThereWithItsOwnSignal(_ order: NetworkConfiguration.Order) throws {
        let seen = try seen(order) { k, path, memory, word in
            k.networkPut(
                memory[0], to: memory[1], bytes: k.constant(bytes), over: path, adding: (k.constant(UInt64(1)), word))
        }
        #expect(seen == [[7, 7]])
    }

    /// All of it, the beginning, the end, or nothing: pieces come in any order.
    @Test func withAnAddBehindItAPutMayBeThereInParts() throws {
        let asking = { (k: KernelBuilder, path: NetworkPath, memory: [Pointer<UInt32>], word: Pointer<UInt64>) in
            k.networkPut(memory[0], to: memory[1], bytes: k.constant(bytes), over: path)
            k.networkAdd(k.constant(UInt64(1)), to: word, over: path)
        }
        let unordered = try seen(.unordered, asking)
        #expect(unordered == [[0, 0], [0, 7], [7, 0], [7, 7]])
        #expect(try seen(.connected, asking) == [[7, 7]])
    }

    /// A source that changes at once goes out old or new, or in parts.
    @Test func sourcesAreReadLate() throws {
        let seen = try seen(.unordered) { k, path, memory, word in
            k.networkPut(
                memory[0], to: memory[1], bytes: k.constant(bytes), over: path, adding: (k.constant(UInt64(1)), word))
            k.sleep(nanoseconds: 1000)
            k.store(8, to: memory[0])
            k.store(8, to: memory[0] + (Self.words - 1))
        }
        #expect(seen == [[7, 7], [7, 8], [8, 7], [8, 8]])
    }

    @Test func flushedSourcesMayChange() throws {
        for order in NetworkConfiguration.Order.allCases {
            let seen = try seen(order) { k, path, memory, word in
                k.networkPut(
                    memory[0], to: memory[1], bytes: k.constant(bytes), over: path,
                    adding: (k.constant(UInt64(1)), word))
                k.loop { k.breakIf(k.networkFlush(path)) }
                k.store(8, to: memory[0])
                k.store(8, to: memory[0] + (Self.words - 1))
            }
            #expect(seen == [[7, 7]])
        }
    }

    /// A kernel's end waits for nothing that it has asked the network for.
    @Test func transfersOutliveTheirKernels() throws {
        var isLate = false
        for seed in 0..<20 {
            let (harness, other) = harness(seed: UInt64(seed))
            let sender = try kernel { k, source, target, word, _ in
                k.networkPut(
                    source, to: target, bytes: k.constant(bytes), over: path(k), adding: (k.constant(UInt64(1)), word))
            }
            let memory = try memory(harness)
            let arguments = memory.map { KernelArgument.address($0) }
            try harness.run(sender, arguments)
            let early = try harness.read(UInt64.self, count: 1, at: memory[2])[0] == 0
            isLate = isLate || early
            try harness.launch(reader(), arguments, on: other)
            try harness.machine.synchronizeAll()
            #expect(try harness.read(UInt64.self, count: 2, at: memory[3]) == [7, 7])
        }
        #expect(isLate)
    }

    @Test func queuesHoldSoMuch() throws {
        let sender = try kernel { k, source, target, word, _ in
            k.for(to: 20) { number in
                k.networkPut(
                    source + number * 4, to: target + number * 4, bytes: k.constant(UInt32(16)), over: path(k),
                    adding: (k.constant(UInt64(1)), word))
            }
        }
        for depth in [1, 3, 64] {
            let (harness, other) = harness(seed: UInt64(depth), queueDepth: depth)
            let waiting = try kernel("waiting") { k, _, _, word, _ in
                k.loop {
                    k.breakIf(k.load(word, order: .acquire(.system)) >= 20)
                    k.sleep(nanoseconds: 20)
                }
            }
            let memory = try run(harness, other, sender, waiting)
            #expect(
                try harness.read(UInt32.self, count: Self.words, at: memory[1])
                    == (0..<Self.words).map { $0 < 80 ? 7 : 0 })
        }
    }

    // Ranks that stop

    /// What a rank was sent while it stood still is there when all has been waited for.
    @Test(arguments: NetworkConfiguration.Order.allCases)
    func allIsWaitedForUntilAHaltEnds(_ order: NetworkConfiguration.Order) throws {
        let halt = RankHalt(rank: 1, afterInstructions: 0, nanoseconds: 1_000_000)
        let (harness, _) = harness(seed: 1, order, halts: [halt])
        let sender = try kernel { k, source, target, word, _ in
            k.networkPut(
                source, to: target, bytes: k.constant(bytes), over: path(k), adding: (k.constant(UInt64(1)), word))
        }
        let memory = try memory(harness)
        try harness.launch(sender, memory.map { .address($0) })
        try harness.machine.synchronizeAll()
        #expect(try harness.read(UInt64.self, count: 1, at: memory[2]) == [1])
        #expect(try harness.read(UInt32.self, count: 1, at: memory[1]) == [7])
    }

    @Test func aFullQueueToADeadRankIsNamed() throws {
        let (harness, _) = harness(seed: 1, queueDepth: 4, halts: [RankHalt(rank: 1, afterInstructions: 0)])
        let sender = try kernel { k, source, target, _, _ in
            k.for(to: 5) { _ in k.networkPut(source, to: target, bytes: k.constant(UInt32(16)), over: path(k)) }
        }
        let error = try harness.failure(sender, try memory(harness).map { .address($0) })
        guard case .deadlock(let blocked) = error else {
            Issue.record("\(String(describing: error))")
            return
        }
        #expect(
            blocked.contains {
                $0.waitsFor == "room in the network's queue to rank 1 on channel 0, where 4 operations are under way"
            }, "\(blocked)")
    }

    /// Says no until the thread's own deadline.
    @Test func putsToADeadRankAreNeverFlushed() throws {
        for judged in [false, true] {
            let harness = Harness {
                $0.halts = [RankHalt(rank: 1, afterInstructions: 0)]
                if judged { $0.schedule = .random(seed: 3) }
            }
            let sender = try kernel { k, source, target, _, own in
                k.networkPut(source, to: target, bytes: k.constant(bytes), over: path(k))
                let start = k.globalTimer
                k.loop {
                    k.breakIf(k.networkFlush(path(k)))
                    k.if(k.globalTimer - start > 1_000_000) {
                        k.store(k.constant(UInt64(9)), to: own)
                        k.exit()
                    }
                }
            }
            let memory = try memory(harness)
            try harness.run(sender, memory.map { .address($0) })
            #expect(try harness.read(UInt64.self, count: 1, at: memory[3]) == [9])
            #expect(try harness.read(UInt32.self, count: 1, at: memory[1]) == [0])
        }
    }

    /// A rank that dies in the middle leaves a whole signal or none, and any part of the row.
    @Test func ranksDieInTheMiddle() throws {
        var outcomes: Set<[UInt64]> = []
        let sender = try kernel { k, source, target, word, _ in
            k.networkPut(
                source, to: target, bytes: k.constant(bytes), over: path(k), adding: (k.constant(UInt64(1)), word))
            k.for(to: 400) { _ in k.sleep(nanoseconds: 20) }
        }
        let idle = try kernel("idle") { k, _, _, _, own in
            k.for(to: 6000) { _ in k.store(k.constant(UInt64(1)), to: own, order: .relaxed(.system)) }
        }
        for instructions in stride(from: UInt64(0), to: 24_000, by: 240) {
            let (harness, other) = harness(
                seed: instructions, halts: [RankHalt(rank: 0, afterInstructions: instructions)])
            let memory = try run(harness, other, sender, idle)
            let signal = try harness.read(UInt64.self, count: 1, at: memory[2])[0]
            let row = try harness.read(UInt32.self, count: Self.words, at: memory[1])
            #expect(signal == 0 || row.allSatisfy { $0 == 7 }, "after \(instructions) instructions")
            outcomes.insert([signal, UInt64(row.contains(0) ? row.contains(7) ? 1 : 0 : 2)])
        }
        #expect(outcomes.contains([0, 0]) && outcomes.contains([0, 1]) && outcomes.contains([1, 2]), "\(outcomes)")
    }

    @Test func transfersGoOnAfterAHalt() throws {
        for rank in 0..<2 {
            let (harness, other) = harness(
                seed: 5, halts: [RankHalt(rank: rank, afterInstructions: 40, nanoseconds: 100_000)])
            let sender = try kernel { k, source, target, word, _ in
                k.networkPut(
                    source, to: target, bytes: k.constant(bytes), over: path(k), adding: (k.constant(UInt64(1)), word))
            }
            let memory = try run(harness, other, sender, reader())
            #expect(try harness.read(UInt64.self, count: 2, at: memory[3]) == [7, 7], "rank \(rank) halted")
            #expect(harness.machine.clock >= 100_000)
        }
    }

    // What is not possible

    private func problem(
        _ body: (KernelBuilder, Pointer<UInt32>, Pointer<UInt32>, Pointer<UInt64>, Pointer<UInt64>) -> Void
    ) throws -> String {
        let (harness, _) = harness(seed: 1)
        let error = try harness.failure(try kernel("wrong", body), try memory(harness).map { .address($0) })
        return try #require(error).description
    }

    @Test func wrongOperandsAreNamed() throws {
        #expect(
            try problem { k, source, target, _, _ in
                k.networkPut(source, to: target, bytes: k.lane + 24, over: path(k))
            }.contains("multiples of 16"))
        #expect(
            try problem { k, source, target, _, _ in
                k.networkPut(source + (k.lane + 1), to: target, bytes: k.constant(UInt32(16)), over: path(k))
            }.contains("multiples of 16"))
        #expect(
            try problem { k, source, target, _, _ in
                k.networkPut(source + (Self.words - 4), to: target, bytes: k.constant(UInt32(32)), over: path(k))
            }.contains("out of bounds"))
        #expect(
            try problem { k, _, _, word, _ in k.networkAdd(k.constant(1), to: word + 2, over: path(k)) }
                .contains("out of bounds"))
        #expect(
            try problem { k, _, _, word, _ in k.networkAdd(k.constant(1), to: word, over: path(k, channel: 4)) }
                .contains("the network has channels 0 to 3"))
        #expect(
            try problem { k, _, target, _, _ in
                k.networkAdd(
                    k.constant(1), to: (target + (k.lane + 1)).cast(to: UInt64.self), over: path(k))
            }.contains("no multiple of 8"))
    }

    @Test func addsNeedAFirstValue() throws {
        let harness = Harness()
        let word = try harness.empty(UInt64.self, count: 2, "word")
        let kernel = try KernelBuilder.build("adding", threads: 32) { k in
            let word = k.pointerParameter("word", to: UInt64.self)
            k.if(k.isFirstLane) {
                k.networkAdd(k.constant(1), to: word, over: path(k))
                k.for(to: 1000) { _ in k.sleep(nanoseconds: 40) }
            }
        }
        let error = try harness.failure(kernel, [.address(word)])
        guard case .uninitialised(let fault) = error else {
            Issue.record("\(String(describing: error))")
            return
        }
        #expect(fault.bytes == 8)
    }
}
