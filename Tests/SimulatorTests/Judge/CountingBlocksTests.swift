import KernelLanguage
import Simulator
import Testing

/// Thread blocks that count themselves: the last one sums what all have stored. One atomic orders both, stores before it
/// and loads behind it.
@Suite struct CountingBlocksTests {
    private static let blocks = 3

    private static func kernel(_ order: MemoryOrder) throws -> Kernel {
        try KernelBuilder.build("lastBlockSums", threads: 32) { k in
            let words = k.pointerParameter("words", to: UInt32.self)
            let done = k.pointerParameter("done", to: UInt32.self)
            k.if(k.isFirstThread) {
                k.store(k.blockIndex + 5, to: words + k.blockIndex)
                let before = k.atomic(.add, done, k.constant(1), order: order)
                k.if(before == k.gridSize - 1) {
                    let sum = k.variable(k.constant(UInt32(0)))
                    k.for(to: k.gridSize) { sum.value = sum.value + k.load(words + $0) }
                    k.store(sum.value, to: done + 1)
                }
            }
        }
    }

    private static func explore(
        _ order: MemoryOrder, _ policy: Exploration.Policy = .random
    ) -> ExplorationReport<UInt32> {
        Exploration(policy: policy, schedules: 2_000).run { machine in
            let stream = machine.makeStream(label: "main")
            let words = try machine.allocate([UInt32](repeating: 0, count: blocks), label: "words")
            let done = try machine.allocate([UInt32(0), 0], label: "done")
            try machine.enqueueLaunch(
                Program(kernel(order)), grid: blocks, arguments: [.address(words), .address(done)], on: stream)
            try machine.synchronize(stream)
            return try machine.read(UInt32.self, count: 2, from: done)[1]
        }
    }

    @Test func bothOrdersAreClean() {
        for policy in [Exploration.Policy.random, .exhaustive] {
            let report = Self.explore(.acquireRelease(.gpu), policy)
            #expect(report.failure == nil && Array(report.outcomes.keys) == [5 + 6 + 7], "\(report)")
            if report.isComplete { #expect(report.description.contains(" schedules, all there are, "), "\(report)") }
        }
    }

    /// The remedy leads to the right order wherever one starts, and says what the atomic has.
    @Test(arguments: [
        (MemoryOrder.relaxed(.gpu), "is relaxed: "), (.release(.gpu), "releases only: "),
        (.acquire(.gpu), "acquires only: "),
    ])
    func halfOrdersAreNotEnough(_ order: MemoryOrder, _ said: String) throws {
        let report = Self.explore(order)
        let failure = try #require(report.failure, "\(order): nothing found in \(report)")
        guard case SimulationError.race(let race) = failure.error else { throw failure }
        #expect(race.missing.contains("the atomic at ") && race.missing.contains(said), "\(order): \(race.missing)")
        #expect(race.remedy.hasPrefix("give it order: .acquireRelease(.gpu)"), "\(order): \(race.remedy)")
    }
}
