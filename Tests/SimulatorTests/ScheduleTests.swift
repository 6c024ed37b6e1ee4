import KernelLanguage
import Simulator
import Testing

@Suite struct ScheduleTests {
    /// The order in which warps of several blocks came by, the time, and the work done.
    private func trace(seed: UInt64) throws -> (order: [UInt32], clock: UInt64, statistics: SimulatorStatistics) {
        let harness = Harness(seed: seed)
        let kernel = try KernelBuilder.build("trace", threads: 128) { k in
            let log = k.pointerParameter("log", to: UInt32.self)
            k.for(to: 4) { round in
                k.if(k.isFirstLane) {
                    let place = k.atomic(.add, log, k.constant(UInt32(1)), order: .relaxed(.gpu))
                    k.store(k.blockIndex * 100 + k.warpIndexOfThread + round * 1000, to: log + (place + 1))
                }
                k.sleep(nanoseconds: 40)
            }
        }
        let log = try harness.buffer([UInt32](repeating: 0, count: 200))
        try harness.run(kernel, grid: 6, [.address(log)])
        return (
            try harness.read(UInt32.self, count: 97, at: log), harness.machine.clock, harness.machine.statistics
        )
    }

    @Test func sameSeedSameRun() throws {
        let (first, second) = (try trace(seed: 5), try trace(seed: 5))
        #expect(first.order == second.order)
        #expect(first.clock == second.clock)
        #expect(first.statistics == second.statistics)
        #expect(first.order[0] == 96)
    }

    @Test func otherSeedsOtherOrders() throws {
        let orders = try Set((0..<UInt64(10)).map { try trace(seed: $0).order })
        #expect(orders.count == 10)
    }

    @Test func instructionLimit() throws {
        let kernel = try KernelBuilder.build("forever", threads: 32) { k in k.loop { _ = k.lane + 1 } }
        let harness = Harness { $0.instructionLimit = 10_000 }
        #expect(try harness.failure(kernel, []) == .instructionLimit(10_000))
    }
}

extension KernelBuilder {
    /// The warp's index without a shuffle, for use on single lanes.
    fileprivate var warpIndexOfThread: Value<UInt32> { threadIndex >> 5 }
}
