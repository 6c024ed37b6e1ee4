import KernelLanguage
import Simulator
import Testing

@Suite struct WarpTests {
    private func run(threads: Int = 32, grid: Int = 1, _ body: (KernelBuilder) -> Value<UInt32>) throws -> [UInt32] {
        let harness = Harness()
        let kernel = try KernelBuilder.build("warp", threads: threads) { k in
            let out = k.pointerParameter("out", to: UInt32.self)
            let value = body(k)
            k.store(value, to: out + (k.blockIndex * threads + k.threadIndex))
        }
        let out = try harness.empty(UInt32.self, count: threads * grid)
        try harness.run(kernel, grid: grid, [.address(out)])
        return try harness.read(UInt32.self, count: threads * grid, at: out)
    }

    @Test func shuffles() throws {
        func doubled(_ source: (UInt32) -> UInt32) -> [UInt32] { (0..<32).map { source($0) * 2 } }
        #expect(try run { k in k.shuffle(k.lane * 2, from: k.lane + 5) } == doubled { ($0 + 5) % 32 })
        #expect(try run { k in k.shuffle(k.lane * 2, exclusiveOr: 9) } == doubled { $0 ^ 9 })
        #expect(try run { k in k.shuffle(k.lane * 2, up: 3) } == doubled { $0 < 3 ? $0 : $0 - 3 })
        #expect(try run { k in k.shuffle(k.lane * 2, down: 30) } == doubled { $0 > 1 ? $0 : $0 + 30 })
    }

    @Test func votesDoNotCountExitedLanes() throws {
        let harness = Harness()
        let kernel = try KernelBuilder.build("votes", threads: 32) { k in
            let out = k.pointerParameter("out", to: UInt32.self) + k.lane
            k.store(k.constant(UInt32(0)), to: out)
            k.if(k.lane < 8) { k.exit() }
            let result = k.variable(k.ballot((k.lane & 1) == 0))
            k.if(k.all(k.lane > 7)) { result.add(1) }
            k.if(k.any(k.lane < 8)) { result.add(2) }
            k.if(k.elected) { result.value = k.lane }
            k.store(result.value, to: out)
        }
        let out = try harness.empty(UInt32.self, count: 32)
        try harness.run(kernel, grid: 1, [.address(out)])
        let words = try harness.read(UInt32.self, count: 32, at: out)
        #expect(words == (0..<32).map { $0 < 8 ? 0 : $0 == 8 ? 8 : 0x5555_5501 })
    }

    /// On a GPU these wait for the missing lanes for ever.
    @Test(arguments: ["shuffle", "transpose", "vote", "elect", "syncWarp"])
    func operationsOfTheWholeWarpNeedAllLanes(operation: String) throws {
        #expect {
            _ = try run { k in
                let result = k.variable(k.lane)
                k.if(k.lane < 4) {
                    switch operation {
                    case "shuffle": result.value = k.shuffle(k.lane, exclusiveOr: 1)
                    case "transpose": result.value = k.transpose(k.lane)
                    case "vote": result.value = k.ballot(k.lane < 2)
                    case "elect": k.if(k.elected) { result.add(1) }
                    default: k.syncWarp()
                    }
                }
                return result.value
            }
        } throws: { "\($0)".contains("lane 4 has not exited and does not take part") }
    }

    @Test func specialRegisters() throws {
        let words = try run(threads: 64, grid: 3) { k in
            let blocks = k.blockIndex * 10_000 + k.gridSize * 1000
            return blocks + k.warpIndex * 100 + k.lane
        }
        let expected = (0..<192).map { (thread: Int) -> UInt32 in
            let (block, warp, lane) = (thread / 64, thread % 64 / 32, thread % 32)
            return UInt32(block * 10_000 + 3000 + warp * 100 + lane)
        }
        #expect(words == expected)
    }

    @Test func reductionOverAWarp() throws {
        let words = try run { k in
            let sum = k.variable(k.lane)
            for mask in [16, 8, 4, 2, 1] { sum.add(k.shuffle(sum.value, exclusiveOr: mask)) }
            return sum.value
        }
        #expect(words == [UInt32](repeating: 496, count: 32))
    }

    @Test func atomicsOfAllLanesAndBlocks() throws {
        let harness = Harness()
        let kernel = try KernelBuilder.build("atomics", threads: 128) { k in
            let counters = k.pointerParameter("counters", to: UInt32.self)
            let sum = k.pointerParameter("sum", to: Float.self)
            let order = k.pointerParameter("order", to: UInt32.self)
            let old = k.atomic(.add, counters, k.constant(UInt32(1)), order: .relaxed(.gpu))
            k.atomicAdd(sum, k.constant(Float(0.5)), order: .relaxed(.gpu))
            k.store(k.constant(UInt32(1)), to: order + old)
            let seen = k.atomic(.maximum, counters + 1, k.threadIndex, order: .relaxed(.gpu))
            k.if(seen > 1000) { k.exit() }
            k.if(k.isFirstThread) {
                let was = k.atomicCompareAndSwap(
                    counters + 2, expected: k.constant(UInt32(0)), value: k.constant(UInt32(9)),
                    order: .acquireRelease(.gpu))
                k.if(was == 0) { k.atomicAdd(counters + 3, 1, order: .relaxed(.gpu)) }
            }
        }
        let counters = try harness.buffer([UInt32](repeating: 0, count: 4))
        let sum = try harness.buffer([Float(0)])
        let order = try harness.empty(UInt32.self, count: 128 * 6)
        try harness.run(kernel, grid: 6, [.address(counters), .address(sum), .address(order)])
        #expect(try harness.read(UInt32.self, count: 4, at: counters) == [768, 127, 9, 1])
        #expect(try harness.read(Float.self, count: 1, at: sum) == [384])
        #expect(try harness.read(UInt32.self, count: 768, at: order).allSatisfy { $0 == 1 })
    }
}
