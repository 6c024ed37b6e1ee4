import KernelLanguage
import Simulator
import Testing

/// Which operations a schedule leads to, and what a mutation must be reached for.
@Suite struct ReachTests {
    /// Fences on both sides of a branch that takes no lane to its first side, and in a loop that goes round once.
    private static func kernel() throws -> Kernel {
        try KernelBuilder.build("branches", threads: 32) { k in
            let word = k.pointerParameter("word", to: UInt32.self)
            k.if(k.threadIndex > k.constant(31), then: { k.fence(scope: .gpu) }, else: { k.syncWarp() })
            k.loop {
                k.fence(scope: .system)
                k.breakIf(k.threadIndex < k.constant(32))
                k.syncWarp()
            }
            k.if(k.isFirstThread) { k.store(k.constant(1), to: word, order: .release(.gpu)) }
        }
    }

    private static func reached(_ kernel: Kernel) throws -> [Bool] {
        let machine = SimulatedMachine(SimulatorConfiguration(multiprocessors: 1, schedule: .random(seed: 1)))
        let words = try machine.allocate([UInt32](repeating: 0, count: 32), label: "words")
        try machine.enqueueLaunch(
            Program(kernel), grid: 1, arguments: [.address(words)], on: machine.makeStream(label: "main"))
        try machine.synchronizeAll()
        return try #require(machine.reachedOperations.first { $0.kernel == kernel }).isReached
    }

    @Test func threadsLeaveSidesOut() throws {
        let kernel = try Self.kernel()
        let isReached = try Self.reached(kernel)
        let reached = kernel.mutations.map { "\($0.operation): \($0.change), \($0.isReached(isReached))" }
        #expect(
            reached == [
                "fence (gpu scope): removed, false", "fence (gpu scope): block scope, false",
                "syncWarp: removed, true", "fence (system scope): removed, true",
                "fence (system scope): gpu scope, true", "syncWarp: removed, false",
                "release (gpu scope) store: relaxed, true", "release (gpu scope) store: block scope, true",
            ])
    }

    /// Where nothing is left of the second side, one step less is taken even by lanes that would not enter it.
    @Test func anEmptySideIsReachedByItsBranch() throws {
        let kernel = try KernelBuilder.build("sides", threads: 32) { k in
            let word = k.pointerParameter("word", to: UInt32.self)
            k.if(
                k.threadIndex < k.constant(32), then: { k.store(k.constant(1), to: word + k.threadIndex) },
                else: { k.syncWarp() })
        }
        let mutation = try #require(kernel.mutations.first { $0.operation == "syncWarp" })
        #expect(mutation.isReached(try Self.reached(kernel)))
    }

    @Test func invalidKernelsAreNotAlike() throws {
        let kernel = try Self.kernel()
        #expect(kernel.runsAlikeUnreached(kernel))
        var invalid = kernel
        invalid.threads = 33
        #expect(!kernel.runsAlikeUnreached(invalid))
    }
}
