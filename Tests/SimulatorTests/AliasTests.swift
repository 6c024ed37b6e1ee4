import KernelLanguage
import Simulator
import Testing

/// Memory that a machine has at several addresses.
@Suite struct AliasTests {
    /// `to[i] = from[i] + 1`
    private func copying() throws -> Kernel {
        try KernelBuilder.build("copying", threads: 32) { k in
            let from = k.pointerParameter("from", to: UInt32.self)
            let to = k.pointerParameter("to", to: UInt32.self)
            k.store(k.load(from + k.lane) + 1, to: to + k.lane)
        }
    }

    @Test func mappingsAreOneMemory() throws {
        let harness = Harness()
        let machine = harness.machine
        let first = try harness.empty(UInt32.self, count: 64, "first")
        let second = try machine.alias(of: first, label: "second")
        let third = try machine.alias(of: second, bytes: 128, label: "third")
        #expect(Set([first, second, third]).count == 3 && [second, third].allSatisfy { $0 % 1024 == 0 })
        let source = try harness.buffer([UInt32](0..<32))
        // What nobody has written is so at all addresses, and what is written is, too.
        for address in [first, second, third] {
            guard case .uninitialised? = try harness.failure(try copying(), [.address(address), .address(source)])
            else {
                Issue.record("no error")
                return
            }
            machine.reset()
        }
        try harness.run(try copying(), [.address(source), .address(third)])
        for address in [first, second, third] {
            #expect(try harness.read(UInt32.self, count: 32, at: address) == Array(1...32))
            try harness.run(try copying(), [.address(address), .address(source)])
        }
        // Only the beginning is mapped, and only that is written.
        for (address, error) in [(third + 128, "third"), (second + 128, "uninitialised")] {
            let failure = try harness.failure(try copying(), [.address(address), .address(source)])
            #expect("\(failure.map { "\($0)" } ?? "none")".contains(error))
            machine.reset()
        }
        try machine.fill(bytes: 256, value: 0, at: second)
        try harness.run(try copying(), [.address(first + 128), .address(source)])
        #expect(try harness.read(UInt32.self, count: 32, at: source) == [UInt32](repeating: 1, count: 32))
    }

    @Test func memoryStaysUntilItsLastMappingGoes() throws {
        for order in [[0, 1, 2], [2, 1, 0], [1, 0, 2]] {
            let harness = Harness()
            let first = try harness.buffer([UInt32](repeating: 7, count: 32))
            let second = try harness.machine.alias(of: first, label: "second")
            let all = [first, second, try harness.machine.alias(of: second, label: "third")]
            for (index, gone) in order.enumerated() {
                for left in order[index...] {
                    #expect(
                        try harness.read(UInt32.self, count: 32, at: all[left]) == [UInt32](repeating: 7, count: 32))
                }
                try harness.machine.free(all[gone])
                #expect(throws: SimulationError.self) { try harness.machine.alias(of: all[gone], label: "gone") }
                #expect(throws: SimulationError.self) { try harness.read(UInt32.self, count: 1, at: all[gone]) }
            }
            #expect(harness.machine.inventory.allocations == 0)
        }
    }

    @Test func mappingsThatCannotBeAreRefused() throws {
        let harness = Harness()
        let first = try harness.buffer([UInt32](repeating: 7, count: 32))
        for bytes in [0, -1, 129] {
            #expect(throws: SimulationError.self) { try harness.machine.alias(of: first, bytes: bytes, label: "a") }
        }
        #expect(throws: SimulationError.self) { try harness.machine.alias(of: first + 4, label: "a") }
    }

    @Test func discardedBytesAreDiscardedAtAllAddresses() throws {
        let discarding = try KernelBuilder.build("discarding", threads: 32) { k in
            let words = k.pointerParameter("words", to: UInt32.self)
            k.if(k.isFirstLane) { k.discard(words) }
        }
        let harness = Harness()
        let first = try harness.buffer([UInt32](repeating: 7, count: 64))
        let second = try harness.machine.alias(of: first, label: "second")
        let out = try harness.empty(UInt32.self, count: 32)
        try harness.run(discarding, [.address(second)])
        guard case .uninitialised? = try harness.failure(try copying(), [.address(first), .address(out)]) else {
            Issue.record("no error")
            return
        }
    }

    // Under a judge

    /// Runs a kernel for each of two ranks, which have the same words at addresses of their own.
    private func explore(
        _ kernels: [Kernel], words: Int = 8
    ) throws -> ExplorationReport<String> {
        let programs = try kernels.map { try Program($0) }
        let exploration = Exploration(
            policy: .random, schedules: 300, configuration: SimulatorConfiguration(multiprocessors: 2))
        return exploration.run { machine in
            let own = try machine.allocate([UInt32](repeating: 0, count: words), label: "words")
            let out = try machine.allocate([UInt32](repeating: 0, count: 4), label: "out")
            let mappings = [own, try machine.alias(of: own, label: "words again")]
            for (rank, program) in programs.enumerated() {
                try machine.enqueueLaunch(
                    program, grid: 1, arguments: [.address(mappings[rank % 2]), .address(out)],
                    on: machine.makeStream(label: "rank \(rank)", rank: rank))
            }
            try machine.synchronizeAll()
            return try machine.read(UInt32.self, count: 4, from: out).map(String.init).joined(separator: " ")
        }
    }

    private func kernel(
        _ name: String, _ body: (KernelBuilder, Pointer<UInt32>, Pointer<UInt32>) -> Void
    ) throws -> Kernel {
        try KernelBuilder.build(name, threads: 32) { k in
            let words = k.pointerParameter("words", to: UInt32.self)
            let out = k.pointerParameter("out", to: UInt32.self)
            k.if(k.isFirstLane) { body(k, words, out) }
        }
    }

    @Test func racesThroughTwoAddressesAreFound() throws {
        let writing = try kernel("writing") { k, words, _ in k.store(k.constant(1), to: words + 5) }
        let reading = try kernel("reading") { k, words, out in k.store(k.load(words + 5), to: out) }
        for kernels in [[writing, writing], [writing, reading], [reading, writing]] {
            guard case .race(let report)? = try explore(kernels).failure?.error as? SimulationError else {
                Issue.record("no race")
                return
            }
            #expect(report.offset == 20 && report.allocation.hasPrefix("words"))
            #expect(report.first.rank != report.second.rank)
        }
        #expect(try explore([reading]).failure == nil)
    }

    @Test func releaseAndAcquireThroughTwoAddressesOrder() throws {
        let sending = try kernel("sending") { k, words, _ in
            k.store(k.constant(7), to: words)
            k.store(k.constant(1), to: words + 4, order: .release(.system))
        }
        let receiving = try kernel("receiving") { k, words, out in
            k.loop { k.breakIf(k.load(words + 4, order: .acquire(.system)) == 1) }
            k.store(k.load(words), to: out)
        }
        let report = try explore([sending, receiving])
        if let failure = report.failure { throw failure }
        #expect(Set(report.outcomes.keys) == ["7 0 0 0"])
        let narrow = try kernel("narrow") { k, words, out in
            k.loop { k.breakIf(k.load(words + 4, order: .relaxed(.system)) == 1) }
            k.store(k.load(words), to: out)
        }
        guard case .race? = try explore([sending, narrow]).failure?.error as? SimulationError else {
            Issue.record("no race")
            return
        }
    }

    @Test func bulkStoresThroughAnotherAddressAreSeen() throws {
        func storing(_ progress: KernelBuilder.BulkStoreProgress) throws -> Kernel {
            try KernelBuilder.build("storing", threads: 32) { k in
                let words = k.pointerParameter("words", to: UInt32.self)
                _ = k.pointerParameter("out", to: UInt32.self)
                let row = k.shared(UInt32.self, count: 32, alignment: 128)
                k.store(k.constant(9), to: row + k.lane)
                k.proxyFence(.asyncShared)
                k.syncWarp()
                k.if(k.isFirstLane) {
                    k.bulkStore(row, to: words, bytes: k.constant(UInt32(128)))
                    k.bulkStoreCommit()
                    k.bulkStoreWait(progress)
                    k.store(k.constant(1), to: words + 32, order: .release(.system))
                }
            }
        }
        let receiving = try kernel("receiving") { k, words, out in
            k.loop { k.breakIf(k.load(words + 32, order: .acquire(.system)) == 1) }
            k.store(k.load(words + 31), to: out)
        }
        let right = try explore([storing(.completed), receiving], words: 40)
        if let failure = right.failure { throw failure }
        #expect(Set(right.outcomes.keys) == ["9 0 0 0"])
        guard
            case .race? = try explore([storing(.sourceRead), receiving], words: 40).failure?.error as? SimulationError
        else {
            Issue.record("no race")
            return
        }
    }

    @Test func aThreadSeesItsOwnAccessesInOrderWhateverTheAddress() throws {
        // One thread with both addresses: a relaxed load may be put off, but not behind its own store to the word.
        let both = try KernelBuilder.build("both", threads: 32) { k in
            let first = k.pointerParameter("first", to: UInt32.self)
            let second = k.pointerParameter("second", to: UInt32.self)
            let out = k.pointerParameter("out", to: UInt32.self)
            k.if(k.isFirstLane) {
                let before = k.load(first, order: .relaxed(.gpu))
                k.store(k.constant(1), to: second, order: .relaxed(.gpu))
                let after = k.load(first, order: .relaxed(.gpu))
                k.store(before, to: out)
                k.store(after, to: out + 1)
            }
        }
        let program = try Program(both)
        let exploration = Exploration(
            policy: .exhaustive, schedules: 50_000, configuration: SimulatorConfiguration(multiprocessors: 1))
        let report = exploration.run { machine in
            let first = try machine.allocate([UInt32](repeating: 0, count: 4), label: "words")
            let second = try machine.alias(of: first, label: "words again")
            let out = try machine.allocate([UInt32](repeating: 0, count: 4), label: "out")
            try machine.enqueueLaunch(
                program, grid: 1, arguments: [.address(first), .address(second), .address(out)],
                on: machine.makeStream(label: "main"))
            try machine.synchronizeAll()
            return try machine.read(UInt32.self, count: 2, from: out).map(String.init).joined(separator: " ")
        }
        if let failure = report.failure { throw failure }
        #expect(report.isComplete && Set(report.outcomes.keys) == ["0 1"], "\(report)")
    }
}
