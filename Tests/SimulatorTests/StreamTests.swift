import KernelLanguage
import Simulator
import Testing

/// Appends `value` to a log: the word at index 0 counts the entries.
private func appending() throws -> Kernel {
    try KernelBuilder.build("append", threads: 32) { k in
        let log = k.pointerParameter("log", to: UInt32.self)
        let value = k.parameter("value", UInt32.self)
        k.if(k.isFirstThread) {
            let place = k.atomic(.add, log, k.constant(UInt32(1)), order: .relaxed(.gpu))
            k.store(value, to: log + (place + 1))
        }
    }
}

@Suite struct StreamTests {
    @Test(arguments: 0..<10) func workOfAStreamRunsInOrder(seed: UInt64) throws {
        let harness = Harness(seed: seed)
        let log = try harness.buffer([UInt32](repeating: 0, count: 16))
        let kernel = try appending()
        var seen: [UInt32] = []
        for value in 1...4 {
            try harness.launch(kernel, [.address(log), .uint32(UInt32(value))])
            harness.machine.enqueueHostWork(on: harness.stream) {
                seen.append(try harness.read(UInt32.self, count: 1, at: log)[0])
            }
        }
        #expect(seen.isEmpty)
        try harness.machine.synchronize(harness.stream)
        #expect(seen == [1, 2, 3, 4])
        #expect(try harness.read(UInt32.self, count: 5, at: log) == [4, 1, 2, 3, 4])
    }

    @Test func eventsOrderStreamsAndStreamsAreOtherwiseFree() throws {
        var orders: Set<[UInt32]> = []
        for seed in 0..<UInt64(20) {
            let harness = Harness(seed: seed)
            let log = try harness.buffer([UInt32](repeating: 0, count: 16))
            let kernel = try appending()
            let second = harness.machine.makeStream(label: "second")
            let third = harness.machine.makeStream(label: "third")
            let event = harness.machine.makeEvent()
            // A wait before any recording is none.
            harness.machine.enqueueWait(event, on: second)
            try harness.launch(kernel, [.address(log), .uint32(1)])
            harness.machine.enqueueRecord(event, on: harness.stream)
            harness.machine.enqueueWait(event, on: second)
            // A later recording does not concern the wait above.
            harness.machine.enqueueRecord(event, on: third)
            try harness.launch(kernel, [.address(log), .uint32(2)], on: second)
            try harness.launch(kernel, [.address(log), .uint32(3)], on: third)
            try harness.machine.synchronizeAll()
            let order = Array(try harness.read(UInt32.self, count: 4, at: log)[1...])
            #expect(order.firstIndex(of: 1)! < order.firstIndex(of: 2)!)
            orders.insert(order)
        }
        #expect(orders.count > 1)
    }

    @Test(arguments: 0..<50) func consumerSpinsWhileProducerRunsInAnotherStream(seed: UInt64) throws {
        let harness = Harness(seed: seed)
        let producer = try KernelBuilder.build("producer", threads: 64) { k in
            let data = k.pointerParameter("data", to: UInt32.self)
            let signal = k.pointerParameter("signal", to: UInt32.self)
            k.store(k.threadIndex + k.blockIndex * 64 + 7, to: data + (k.blockIndex * 64 + k.threadIndex))
            k.syncThreads()
            k.if(k.isFirstThread) { k.atomicAdd(signal, 1, order: .release(.gpu)) }
        }
        let consumer = try KernelBuilder.build("consumer", threads: 64) { k in
            let data = k.pointerParameter("data", to: UInt32.self)
            let signal = k.pointerParameter("signal", to: UInt32.self)
            let out = k.pointerParameter("out", to: UInt32.self)
            k.loop { k.breakIf(k.load(signal, order: .acquire(.gpu)) >= 4) }
            let index = k.blockIndex * 64 + k.threadIndex
            k.store(k.load(data + index), to: out + index)
        }
        let data = try harness.empty(UInt32.self, count: 256)
        let signal = try harness.buffer([UInt32(0)])
        let out = try harness.empty(UInt32.self, count: 256)
        let other = harness.machine.makeStream(label: "other")
        try harness.launch(consumer, grid: 4, [.address(data), .address(signal), .address(out)], on: other)
        try harness.launch(producer, grid: 4, [.address(data), .address(signal)])
        try harness.machine.synchronize(other)
        #expect(try harness.read(UInt32.self, count: 256, at: out) == (0..<256).map { $0 + 7 })
    }

    @Test(arguments: 0..<20) func dependentLaunch(seed: UInt64) throws {
        let first = try KernelBuilder.build("first", threads: 64) { k in
            let data = k.pointerParameter("data", to: UInt32.self)
            let clock = k.pointerParameter("clock", to: UInt64.self)
            k.launchDependents()
            k.sleep(nanoseconds: 20_000)
            k.store(k.threadIndex, to: data + k.threadIndex)
            k.if(k.isFirstThread) { k.store(k.globalTimer, to: clock) }
        }
        let second = try KernelBuilder.build("second", threads: 64) { k in
            let data = k.pointerParameter("data", to: UInt32.self)
            let clock = k.pointerParameter("clock", to: UInt64.self)
            k.if(k.isFirstThread) { k.store(k.globalTimer, to: clock + 1) }
            k.waitForPrerequisites()
            k.store(k.load(data + k.threadIndex) + 1, to: data + (k.threadIndex + 64))
        }
        for dependent in [true, false] {
            let harness = Harness(seed: seed)
            let data = try harness.empty(UInt32.self, count: 128)
            let clock = try harness.buffer([UInt64(0), 0])
            try harness.launch(first, [.address(data), .address(clock)])
            try harness.launch(second, [.address(data), .address(clock)], dependent: dependent)
            try harness.machine.synchronize(harness.stream)
            let times = try harness.read(UInt64.self, count: 2, at: clock)
            #expect((times[1] < times[0]) == dependent)
            #expect(try harness.read(UInt32.self, count: 64, at: data + 256) == (1...64).map { $0 })
        }
    }

    @Test func errorsOfTheHostStopTheMachine() throws {
        struct Broken: Error {}
        let harness = Harness()
        harness.machine.enqueueHostWork(on: harness.stream) { throw Broken() }
        #expect(throws: SimulationError.hostWork("Broken()")) { try harness.machine.synchronize(harness.stream) }
        harness.machine.reset()
        try harness.machine.synchronize(harness.stream)
    }

    @Test func waitingForAnEventThatNeverHappensIsADeadlock() throws {
        let harness = Harness()
        let kernel = try KernelBuilder.build("stuck", threads: 64) { k in
            k.if(k.warpIndex == 0) { k.barrier(NamedBarrier(5), threads: 64) }
        }
        let other = harness.machine.makeStream(label: "other")
        let event = harness.machine.makeEvent()
        try harness.launch(kernel, [])
        harness.machine.enqueueRecord(event, on: harness.stream)
        harness.machine.enqueueWait(event, on: other)
        do throws(SimulationError) {
            try harness.machine.synchronize(other)
            Issue.record("no error")
        } catch {
            guard case .deadlock(let waiting) = error else {
                Issue.record("\(error)")
                return
            }
            #expect(waiting.map(\.waitsFor) == ["barrier 5: 32 of 64 threads arrived", "an event, in stream other"])
        }
    }

    @Test func moreBlocksThanRoom() throws {
        let harness = Harness { $0.multiprocessors = 2 }
        let kernel = try KernelBuilder.build("many", threads: 256) { k in
            let out = k.pointerParameter("out", to: UInt32.self)
            let words = k.shared(UInt32.self, count: 20_000)
            k.store(k.blockIndex, to: words + k.threadIndex)
            k.if(k.isFirstThread) { k.store(k.load(words) + k.multiprocessor * 1000, to: out + k.blockIndex) }
        }
        let out = try harness.empty(UInt32.self, count: 100)
        try harness.run(kernel, grid: 100, [.address(out)])
        let words = try harness.read(UInt32.self, count: 100, at: out)
        #expect(words.map { $0 % 1000 } == Array(0..<100))
        #expect(Set(words.map { $0 / 1000 }) == [0, 1])
    }
}
