import KernelLanguage
import Simulator
import Testing

@Suite struct ControlFlowTests {
    /// Builds a kernel of one warp that stores one word per lane, and gives the words.
    private func run(_ body: (KernelBuilder, Variable<UInt32>) -> Void) throws -> [UInt32] {
        let harness = Harness()
        let kernel = try KernelBuilder.build("control", threads: 32) { k in
            let out = k.pointerParameter("out", to: UInt32.self)
            let result = k.variable(k.constant(UInt32(0)))
            let place = out + k.lane
            k.store(k.constant(UInt32(777)), to: place)
            body(k, result)
            k.store(result.value, to: place)
        }
        let out = try harness.empty(UInt32.self, count: 32)
        try harness.run(kernel, [.address(out)])
        return try harness.read(UInt32.self, count: 32, at: out)
    }

    @Test func nestedBranches() throws {
        let words = try run { k, result in
            k.if(k.lane < 16) {
                k.if((k.lane & 1) == 0) {
                    result.add(1)
                } else: {
                    result.add(2)
                }
            } else: {
                k.if(k.lane >= 30) { result.add(4) }
                result.add(8)
            }
        }
        #expect(words == (0..<32).map { $0 < 16 ? ($0 % 2 == 0 ? 1 : 2) : ($0 >= 30 ? 12 : 8) })
    }

    @Test func branchesThatNoLaneTakes() throws {
        let words = try run { k, result in
            k.if(k.lane > 40) {
                result.add(100)
            } else: {
                result.add(1)
            }
            k.if(k.lane < 40) {
                result.add(10)
            } else: {
                result.add(100)
            }
            k.if(k.lane > 40) { result.add(1000) }
        }
        #expect(words == [UInt32](repeating: 11, count: 32))
    }

    @Test func lanesLeaveALoopAtDifferentTimes() throws {
        let words = try run { k, result in
            k.loop {
                k.breakIf(result.value >= k.lane)
                result.add(1)
            }
            result.add(100)
        }
        #expect(words == (0..<32).map { $0 + 100 })
    }

    @Test func nestedLoopsWithBreaksInsideBranches() throws {
        let words = try run { k, result in
            k.for(to: 5) { outer in
                k.loop {
                    k.if((k.lane & 1) == 1) {
                        k.if(result.value >= outer * 10 + k.lane) { k.breakIf(k.constant(true)) }
                        result.add(1)
                    } else: {
                        result.add(2)
                        k.breakIf(result.value >= outer * 3)
                    }
                }
            }
        }
        let expected = (0..<32).map { lane -> UInt32 in
            var result: UInt32 = 0
            for outer in 0..<UInt32(5) {
                while true {
                    if lane % 2 == 1 {
                        if result >= outer * 10 + UInt32(lane) { break }
                        result += 1
                    } else {
                        result += 2
                        if result >= outer * 3 { break }
                    }
                }
            }
            return result
        }
        #expect(words == expected)
    }

    @Test func exitEndsLanesForGood() throws {
        let words = try run { k, result in
            k.for(to: 8) { i in
                k.if(k.lane == i) { k.exit() }
                result.add(1)
            }
            k.if(k.lane > 28) {
                k.exit()
            } else: {
                result.add(10)
            }
        }
        #expect(words == (0..<32).map { $0 < 8 || $0 > 28 ? 777 : 18 })
    }

    @Test func valuesLiveAcrossLoops() throws {
        // A value from before a loop that is used in each round must keep its place.
        let words = try run { k, result in
            let before = k.lane * 3 + 1
            k.for(to: 4) { i in
                let a = i * 7
                let b = a + before
                let c = b * 2
                result.add(c - a)
            }
        }
        let expected = (0..<UInt32(32)).map { lane -> UInt32 in
            (0..<UInt32(4)).reduce(0) { $0 + ($1 * 7 + lane * 3 + 1) * 2 - $1 * 7 }
        }
        #expect(words == expected)
    }
}
