import KernelLanguage
import Simulator
import Testing

@Suite struct BarrierTests {
    @Test(arguments: 0..<20) func blockBarrierOrdersSharedMemory(seed: UInt64) throws {
        let harness = Harness(seed: seed)
        let kernel = try KernelBuilder.build("reverse", threads: 256) { k in
            let out = k.pointerParameter("out", to: UInt32.self)
            let words = k.shared(UInt32.self, count: 256)
            k.store(k.threadIndex * 3, to: words + k.threadIndex)
            k.syncThreads()
            k.store(k.load(words + (k.constant(UInt32(255)) - k.threadIndex)), to: out + k.threadIndex)
        }
        let out = try harness.empty(UInt32.self, count: 256)
        try harness.run(kernel, [.address(out)])
        #expect(try harness.read(UInt32.self, count: 256, at: out) == (0..<256).map { (255 - $0) * 3 })
    }

    @Test func withoutTheBarrierSomeScheduleGoesWrong() throws {
        let kernel = try KernelBuilder.build("race", threads: 256) { k in
            let out = k.pointerParameter("out", to: UInt32.self)
            let words = k.shared(UInt32.self, count: 256)
            k.store(k.threadIndex * 3, to: words + k.threadIndex)
            k.store(k.load(words + (k.constant(UInt32(255)) - k.threadIndex)), to: out + k.threadIndex)
        }
        let failures = try (UInt64(0)..<10).filter { seed in
            let harness = Harness(seed: seed)
            let out = try harness.empty(UInt32.self, count: 256)
            guard case .uninitialised = try harness.failure(kernel, [.address(out)]) else { return false }
            return true
        }
        #expect(!failures.isEmpty)
    }

    /// One producer warp and three consumer warps over two stages, by named barriers.
    @Test(arguments: 0..<20) func namedBarriersForProducerAndConsumers(seed: UInt64) throws {
        let harness = Harness(seed: seed)
        let kernel = try KernelBuilder.build("ring", threads: 128) { k in
            let out = k.pointerParameter("out", to: UInt32.self)
            let stages = k.shared(UInt32.self, count: 64)
            k.if(k.warpIndex == 0) {
                for round in 0..<8 {
                    let stage = round % 2
                    if round >= 2 { k.barrier(NamedBarrier(3 + stage), threads: 128) }
                    k.store(k.lane + (round * 100), to: stages + (k.lane + stage * 32))
                    k.barrierArrive(NamedBarrier(1 + stage), threads: 128)
                }
            } else: {
                let sum = k.variable(k.constant(UInt32(0)))
                for round in 0..<8 {
                    let stage = round % 2
                    k.barrier(NamedBarrier(1 + stage), threads: 128)
                    sum.add(k.load(stages + (k.lane + stage * 32)))
                    if round < 6 { k.barrierArrive(NamedBarrier(3 + stage), threads: 128) }
                }
                k.store(sum.value, to: out + (k.threadIndex - 32))
            }
        }
        let out = try harness.empty(UInt32.self, count: 96)
        try harness.run(kernel, [.address(out)])
        let words = try harness.read(UInt32.self, count: 96, at: out)
        let expected = (0..<UInt32(96)).map { $0 % 32 * 8 + 2800 }
        #expect(words == expected)
    }

    @Test func warpsThatEndAreNotWaitedFor() throws {
        let harness = Harness()
        let kernel = try KernelBuilder.build("leave", threads: 128) { k in
            let out = k.pointerParameter("out", to: UInt32.self)
            k.if(k.warpIndex == 2) { k.exit() }
            k.syncThreads()
            k.store(k.threadIndex, to: out + k.threadIndex)
        }
        let out = try harness.buffer([UInt32](repeating: 5, count: 128))
        try harness.run(kernel, [.address(out)])
        let expected = (0..<UInt32(128)).map { $0 / 32 == 2 ? 5 : $0 }
        #expect(try harness.read(UInt32.self, count: 128, at: out) == expected)
    }

    @Test func differentThreadCountsAtOneBarrierAreAnError() throws {
        let kernel = try KernelBuilder.build("counts", threads: 96) { k in
            k.if(k.warpIndex == 0) {
                k.barrier(NamedBarrier(1), threads: 96)
            } else: {
                k.barrier(NamedBarrier(1), threads: 64)
            }
        }
        guard case .invalidOperation(_, let problem) = try Harness().failure(kernel, []) else {
            Issue.record("no error")
            return
        }
        #expect(problem.contains("barrier 1 is used with"))
    }

    @Test(arguments: 0..<10) func clusterBarrier(seed: UInt64) throws {
        let harness = Harness(seed: seed)
        let kernel = try KernelBuilder.build("cluster", threads: 64, clusterSize: 4) { k in
            let flags = k.pointerParameter("flags", to: UInt32.self)
            let out = k.pointerParameter("out", to: UInt32.self)
            k.if(k.isFirstThread) { k.store(k.clusterRank + 1, to: flags + k.blockIndex) }
            for _ in 0..<3 {
                k.clusterBarrier(.arrive)
                k.clusterBarrier(.wait)
            }
            let next = (k.blockIndex & ~k.constant(UInt32(3))) + ((k.clusterRank + 1) & 3)
            k.if(k.isFirstThread) { k.store(k.load(flags + next), to: out + k.blockIndex) }
        }
        let flags = try harness.empty(UInt32.self, count: 12)
        let out = try harness.empty(UInt32.self, count: 12)
        try harness.run(kernel, grid: 12, [.address(flags), .address(out)])
        #expect(try harness.read(UInt32.self, count: 12, at: out) == [2, 3, 4, 1, 2, 3, 4, 1, 2, 3, 4, 1])
    }

    @Test func mbarrierMisuse() throws {
        func problem(_ body: @escaping (KernelBuilder, MemoryBarrier) -> Void) throws -> String {
            let kernel = try KernelBuilder.build("misuse", threads: 32) { k in
                let barrier = MemoryBarrier(k.memoryBarriers(count: 1))
                body(k, barrier)
            }
            guard case .invalidOperation(_, let problem) = try Harness().failure(kernel, []) else { return "" }
            return problem
        }
        #expect(try problem { k, barrier in k.arrive(barrier) }.contains("there is no mbarrier at shared+0"))
        #expect(
            try problem { k, barrier in k.wait(barrier, parity: k.constant(UInt32(0))) }.contains(
                "there is no mbarrier"))
        let tooMany = try problem { k, barrier in
            k.if(k.isFirstLane) {
                k.initialise(barrier, arrivals: 1)
                k.arrive(barrier, expecting: 64)
                k.arrive(barrier)
            }
        }
        #expect(tooMany.contains("has had all its 1 arrivals and still waits for 64 bytes"))
    }
}
