import KernelLanguage
import Simulator
import Testing

/// Counts `steps` up in `count`, one by one, and sets `done` in the end.
private func counting(sleeps: Bool = true) throws -> Kernel {
    try KernelBuilder.build("counting", threads: 32) { k in
        let count = k.pointerParameter("count", to: UInt32.self)
        let steps = k.parameter("steps", UInt32.self)
        k.if(k.isFirstLane) {
            let value = k.variable(UInt32(0))
            k.loop {
                k.breakIf(value.value == steps)
                value.add(1)
                k.store(value.value, to: count)
                if sleeps { k.sleep(nanoseconds: 100) }
            }
            k.store(k.constant(1), to: count + 1, order: .release(.system))
        }
    }
}

/// Polls `word` until it is 1 or `limit` nanoseconds have passed; stores how long that took, and what was read.
private func waiting(sleeps: Bool = true) throws -> Kernel {
    try KernelBuilder.build("waiting", threads: 32) { k in
        let word = k.pointerParameter("word", to: UInt32.self)
        let times = k.pointerParameter("times", to: UInt64.self)
        let limit = k.parameter("limit", UInt64.self)
        k.if(k.isFirstLane) {
            let start = k.globalTimer
            k.loop {
                let seen = k.load(word, order: .acquire(.system))
                let waited = k.globalTimer - start
                k.if(seen == 1 || waited > limit) {
                    k.store(waited, to: times)
                    k.store(seen.wide, to: times + 1)
                    k.exit()
                }
                if sleeps { k.sleep(nanoseconds: 40) }
            }
        }
    }
}

@Suite struct HaltTests {
    private static let steps: UInt32 = 20

    private func harness(_ halts: RankHalt..., seed: UInt64 = 1) -> (Harness, StreamID) {
        let harness = Harness(seed: seed) { $0.halts = halts }
        return (harness, harness.machine.makeStream(label: "other", rank: 1))
    }

    private func count(_ harness: Harness, _ address: UInt64) throws -> UInt32 {
        try harness.read(UInt32.self, count: 1, at: address)[0]
    }

    @Test func whatIsHaltedForEverStaysAsItIs() throws {
        let kernel = try counting()
        var counts: Set<UInt32> = []
        for instructions in stride(from: UInt64(0), through: 500, by: 7) {
            let (harness, other) = harness(RankHalt(rank: 1, afterInstructions: instructions), seed: instructions)
            let own = try harness.buffer([UInt32(0), 0])
            let theirs = try harness.buffer([UInt32(0), 0])
            try harness.launch(kernel, [.address(own), .uint32(Self.steps)])
            try harness.launch(kernel, [.address(theirs), .uint32(Self.steps)], on: other)
            try harness.machine.synchronizeAll()
            let seen = try count(harness, theirs)
            #expect(try count(harness, own) == Self.steps, "halt after \(instructions)")
            // Others go on, the rank does not.
            try harness.launch(kernel, [.address(own), .uint32(Self.steps + 1)])
            try harness.launch(kernel, [.address(theirs), .uint32(100)], on: other)
            try harness.machine.synchronize(other)
            try harness.machine.synchronizeAll()
            #expect(try count(harness, own) == Self.steps + 1, "halt after \(instructions)")
            #expect(try count(harness, theirs) == seen || seen == Self.steps, "halt after \(instructions)")
            counts.insert(seen)
        }
        #expect(counts.contains(0) && counts.contains(Self.steps) && counts.count > 10)
    }

    @Test(arguments: [true, false]) func haltThatEnds(sleeps: Bool) throws {
        let (counting, waiting) = (try counting(sleeps: sleeps), try waiting(sleeps: sleeps))
        let length: UInt64 = 50_000_000
        for instructions in stride(from: UInt64(0), through: 100, by: 3) {
            let halt = RankHalt(rank: 1, afterInstructions: instructions, nanoseconds: length)
            let (harness, other) = harness(halt, seed: instructions)
            let count = try harness.buffer([UInt32(0), 0])
            let times = try harness.buffer([UInt64(0), 0])
            try harness.launch(counting, [.address(count), .uint32(Self.steps)], on: other)
            try harness.launch(waiting, [.address(count + 4), .address(times), .uint64(1_000_000_000)])
            try harness.machine.synchronizeAll()
            let found = try harness.read(UInt64.self, count: 2, at: times)
            #expect(found[1] == 1, "halt after \(instructions)")
            // The halt may have begun before the wait did.
            #expect(found[0] > length - 10_000 && found[0] < length + 1_000_000, "halt after \(instructions)")
            #expect(try self.count(harness, count) == Self.steps, "halt after \(instructions)")
        }
    }

    @Test func haltThatEndsAlthoughNothingElseRuns() throws {
        let kernel = try counting()
        for instructions in stride(from: UInt64(0), through: 300, by: 7) {
            let (harness, other) = harness(
                RankHalt(rank: 1, afterInstructions: instructions, nanoseconds: 1_000_000),
                RankHalt(rank: 1, afterInstructions: instructions + 4, nanoseconds: 3_000_000))
            let count = try harness.buffer([UInt32(0), 0])
            try harness.launch(kernel, [.address(count), .uint32(Self.steps)], on: other)
            try harness.machine.synchronize(other)
            #expect(try self.count(harness, count) == Self.steps)
            let begun = harness.machine.statistics.instructions > instructions
            #expect((harness.machine.clock > 4_000_000) == begun, "halt after \(instructions)")
        }
    }

    @Test(arguments: [true, false]) func watchdogsOfOthersFire(sleeps: Bool) throws {
        let (harness, other) = harness(RankHalt(rank: 1, afterInstructions: 50))
        let count = try harness.buffer([UInt32(0), 0])
        let times = try harness.buffer([UInt64(0), 0])
        try harness.launch(try counting(), [.address(count), .uint32(1000)], on: other)
        // Without sleeps only instructions make time pass, as without halts.
        let limit: UInt64 = sleeps ? 1_000_000_000 : 100_000
        try harness.launch(
            try waiting(sleeps: sleeps), [.address(count + 4), .address(times), .uint64(limit)])
        try harness.machine.synchronizeAll()
        let found = try harness.read(UInt64.self, count: 2, at: times)
        #expect(found[1] == 0 && found[0] > limit && found[0] < limit + limit / 10)
    }

    @Test func queuedWorkAndStreamsMadeLaterAreHaltedToo() throws {
        let (harness, other) = harness(RankHalt(rank: 1, afterInstructions: 0))
        let event = harness.machine.makeEvent()
        var ran = 0
        harness.machine.enqueueHostWork(on: other) { ran += 1 }
        harness.machine.enqueueRecord(event, on: other)
        try harness.machine.synchronizeAll()
        let later = harness.machine.makeStream(label: "later", rank: 1)
        harness.machine.enqueueHostWork(on: later) { ran += 1 }
        try harness.machine.synchronize(later)
        #expect(ran == 0)
        // Who waits for what will never be waits for ever.
        harness.machine.enqueueWait(event, on: harness.stream)
        do throws(SimulationError) {
            try harness.machine.synchronizeAll()
            Issue.record("no error")
        } catch {
            #expect("\(error)".contains("an event, in stream main") && "\(error)".contains("the halt of rank 1"))
        }
        harness.machine.reset()
        try harness.machine.synchronizeAll()
    }

    @Test func copiesUnderWayAreHeld() throws {
        // A block stores 1 KB asynchronously, again and again with another value.
        let kernel = try KernelBuilder.build("copies", threads: 32) { k in
            let out = k.pointerParameter("out", to: UInt32.self)
            let words = k.shared(UInt32.self, count: 256, alignment: 128)
            let round = k.variable(UInt32(0))
            k.loop {
                k.breakIf(round.value == 50)
                round.add(1)
                for part in 0..<8 { k.store(round.value, to: words + (k.lane + part * 32)) }
                k.proxyFence(.asyncShared)
                k.syncWarp()
                k.if(k.isFirstLane) {
                    k.bulkStore(words, to: out, bytes: k.constant(UInt32(1024)))
                    k.bulkStoreCommit()
                    k.bulkStoreWait(.completed)
                }
                k.syncWarp()
            }
        }
        var ends: Set<UInt32> = []
        for (index, nanoseconds) in [nil, UInt64(100_000)].enumerated() {
            for instructions in stride(from: UInt64(0), through: 1500, by: 53) {
                let halt = RankHalt(rank: 1, afterInstructions: instructions, nanoseconds: nanoseconds)
                let (harness, other) = harness(halt, seed: instructions)
                let out = try harness.buffer([UInt32](repeating: 0, count: 256))
                let count = try harness.buffer([UInt32(0), 0])
                try harness.launch(kernel, [.address(out)], on: other)
                try harness.machine.synchronize(other)
                let before = try harness.read(UInt32.self, count: 256, at: out)
                #expect(Set(before).count == 1)
                if index == 1 { #expect(before[0] == 50, "halt after \(instructions)") }
                ends.insert(before[0])
                try harness.run(try counting(), [.address(count), .uint32(100)])
                #expect(try harness.read(UInt32.self, count: 256, at: out) == before)
            }
        }
        #expect(ends.count > 8)
    }

    @Test(arguments: [nil, UInt64(5_000)]) func underAJudge(nanoseconds: UInt64?) throws {
        // Message passing: rank 0 reads the data if it finds the flag.
        let sending = try KernelBuilder.build("sending", threads: 32) { k in
            let words = k.pointerParameter("words", to: UInt32.self)
            k.if(k.isFirstLane) {
                k.store(k.constant(7), to: words)
                k.store(k.constant(1), to: words + 4, order: .release(.system))
            }
        }
        let receiving = try KernelBuilder.build("receiving", threads: 32) { k in
            let words = k.pointerParameter("words", to: UInt32.self)
            let result = k.pointerParameter("result", to: UInt32.self)
            k.if(k.isFirstLane) {
                k.store(k.constant(0), to: result)
                k.if(k.load(words + 4, order: .acquire(.system)) == 1) { k.store(k.load(words), to: result) }
            }
        }
        let (first, second) = (try Program(sending), try Program(receiving))
        for instructions in UInt64(0)..<40 {
            var configuration = SimulatorConfiguration(multiprocessors: 2)
            configuration.halts = [RankHalt(rank: 1, afterInstructions: instructions, nanoseconds: nanoseconds)]
            let exploration = Exploration(policy: .exhaustive, schedules: 20_000, configuration: configuration)
            let report = exploration.run { machine in
                let words = try machine.allocate([UInt32](repeating: 0, count: 8), label: "words")
                let result = try machine.allocate([UInt32](repeating: 0, count: 4), label: "result")
                let (own, other) = (machine.makeStream(label: "own"), machine.makeStream(label: "other", rank: 1))
                try machine.enqueueLaunch(first, grid: 1, arguments: [.address(words)], on: other)
                try machine.enqueueLaunch(second, grid: 1, arguments: [.address(words), .address(result)], on: own)
                try machine.synchronizeAll()
                // The rest of a halted rank is not waited for; a second kernel is judged like the first.
                try machine.enqueueLaunch(second, grid: 1, arguments: [.address(words), .address(result)], on: own)
                try machine.synchronizeAll()
                return "\(try machine.read(UInt32.self, count: 1, from: result)[0])"
            }
            if let failure = report.failure { throw failure }
            #expect(report.isComplete && Set(report.outcomes.keys).isSubset(of: ["0", "7"]), "\(report)")
            if nanoseconds != nil { #expect(report.outcomes.keys.contains("7")) }
        }
    }
}
