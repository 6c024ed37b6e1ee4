import KernelLanguage
import Simulator
import Testing

@Suite struct DeadlockTests {
    private func deadlock(
        _ kernel: Kernel, grid: Int = 1, on harness: Harness = Harness()
    ) throws -> [BlockedWarp] {
        guard case .deadlock(let waiting) = try harness.failure(kernel, grid: grid, []) else {
            Issue.record("no deadlock")
            return []
        }
        return waiting
    }

    @Test func barrierThatNotAllReach() throws {
        let line = #line + 3
        let kernel = try KernelBuilder.build("missing", threads: 128) { k in
            k.if(k.warpIndex != 1) {
                k.barrier(NamedBarrier(1), threads: 128)
            }
        }
        let waiting = try deadlock(kernel)
        #expect(waiting.map(\.warp) == [0, 2, 3])
        #expect(waiting.allSatisfy { $0.waitsFor == "barrier 1: 96 of 128 threads arrived" })
        #expect(waiting.allSatisfy { $0.location?.line == line && $0.kernel == "missing" })
    }

    @Test func mbarrierWithoutAllArrivalsOrBytes() throws {
        let line = #line + 8
        let kernel = try KernelBuilder.build("bytes", threads: 32) { k in
            let barrier = MemoryBarrier(k.memoryBarriers(count: 1))
            k.if(k.isFirstLane) {
                k.initialise(barrier, arrivals: 2)
                k.arrive(barrier, expecting: 4096)
            }
            k.syncWarp()
            k.wait(barrier, parity: k.constant(UInt32(0)))
        }
        let waiting = try deadlock(kernel)
        #expect(waiting.count == 1)
        #expect(waiting.first?.location?.line == line)
        #expect(
            waiting.first?.waitsFor
                == "mbarrier at shared+0, phase parity 0: 1 of 2 arrivals and 4096 bytes pending")
    }

    @Test func blocksThatDoNotFitTogether() throws {
        // Each block waits for the next one, but only two can be resident.
        let kernel = try KernelBuilder.build("chain", threads: 128) { k in
            let flags = k.pointerParameter("flags", to: UInt32.self)
            let words = k.shared(UInt32.self, count: 50_000)
            k.store(k.threadIndex, to: words + k.threadIndex)
            k.if(k.isFirstThread) { k.atomicAdd(flags, 1, order: .release(.gpu)) }
            k.spin(flags, until: 3)
        }
        let harness = Harness { $0.multiprocessors = 2 }
        let flags = try harness.buffer([UInt32](repeating: 0, count: 1))
        let error = try harness.failure(kernel, grid: 3, [.address(flags)])
        // The spin sleeps, so the machine cannot tell that nobody will ever come; the limit ends it.
        guard case .instructionLimit = error else {
            Issue.record("\(String(describing: error))")
            return
        }
    }

    @Test func clusterThatHasNoRoom() throws {
        let kernel = try KernelBuilder.build("wide", threads: 1024, clusterSize: 8) { k in
            k.clusterBarrier(.arrive)
            k.clusterBarrier(.wait)
        }
        let waiting = try deadlock(kernel, grid: 8, on: Harness { $0.multiprocessors = 2 })
        #expect(waiting.count == 1)
        #expect(waiting.first?.waitsFor.contains("blocks from 0 to 7 are not resident") == true)
    }

    @Test func residentBlockThatWaitsForOneThatIsNot() throws {
        // The cluster of two waits at its barrier for a warp that waits for a named barrier.
        let kernel = try KernelBuilder.build("pair", threads: 64, clusterSize: 2) { k in
            k.if(k.warpIndex == 0) { k.barrier(NamedBarrier(2), threads: 64) }
            k.clusterBarrier(.arrive)
            k.clusterBarrier(.wait)
        }
        let waiting = try deadlock(kernel, grid: 2)
        #expect(waiting.count == 4)
        #expect(waiting.contains { $0.waitsFor == "barrier 2: 32 of 64 threads arrived" })
        #expect(waiting.contains { $0.waitsFor == "the cluster's barrier: 64 of 128 threads arrived" })
    }

    @Test func launchesThatCanNeverFitAreRefused() throws {
        let kernel = try KernelBuilder.build("big", threads: 128) { k in
            let words = k.shared(UInt32.self, count: 50_000)
            k.store(k.threadIndex, to: words + k.threadIndex)
        }
        let harness = Harness { $0.sharedBytesPerMultiprocessor = 100 * 1024 }
        #expect(throws: SimulationError.self) { try harness.launch(kernel, []) }
        #expect(throws: SimulationError.self) { try Harness().launch(kernel, grid: 0, []) }
        #expect(throws: SimulationError.self) { try Harness().launch(kernel, [.uint32(1)]) }
    }

    @Test func argumentsMustHaveTheirKinds() throws {
        let kernel = try KernelBuilder.build("arguments", threads: 32) { k in
            let out = k.pointerParameter("out", to: Float.self)
            let factor = k.parameter("factor", Float.self)
            k.if(k.isFirstThread) { k.store(factor * 2, to: out) }
        }
        let harness = Harness()
        let out = try harness.empty(Float.self, count: 1)
        #expect(throws: SimulationError.self) { try harness.launch(kernel, [.address(out), .uint32(1)]) }
        #expect(throws: SimulationError.self) { try harness.launch(kernel, [.uint64(out), .float32(1)]) }
        #expect(throws: SimulationError.self) { try harness.launch(kernel, [.address(out)]) }
        try harness.run(kernel, [.address(out), .float32(1.5)])
        #expect(try harness.read(Float.self, count: 1, at: out) == [3])
    }

    @Test func watchdogsFireSoon() throws {
        let kernel = try KernelBuilder.build("watchdog", threads: 32) { k in
            let signal = k.pointerParameter("signal", to: UInt32.self)
            let report = k.pointerParameter("report", to: UInt64.self)
            k.if(k.isFirstThread) {
                let start = k.globalTimer
                k.loop {
                    k.breakIf(k.load(signal, order: .acquire(.gpu)) == 1)
                    let waited = k.globalTimer - start
                    k.if(waited > 1_000_000_000) {
                        k.store(waited, to: report)
                        k.exit()
                    }
                    k.sleep(nanoseconds: 100)
                }
            }
        }
        let harness = Harness()
        let signal = try harness.buffer([UInt32(0)])
        let report = try harness.buffer([UInt64(0)])
        try harness.run(kernel, [.address(signal), .address(report)])
        let waited = try harness.read(UInt64.self, count: 1, at: report)[0]
        #expect(waited > 1_000_000_000 && waited < 1_100_000_000)
        #expect(harness.machine.statistics.instructions < 1_000_000)
    }
}

extension KernelBuilder {
    /// Spins with sleeps until the word is at least `value`.
    fileprivate func spin(_ word: Pointer<UInt32>, until value: Int) {
        loop {
            breakIf(load(word, order: .acquire(.gpu)) >= value)
            sleep(nanoseconds: 50)
        }
    }
}
