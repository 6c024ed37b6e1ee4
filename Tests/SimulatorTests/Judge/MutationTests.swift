import KernelLanguage
import Simulator
import Testing

/// What the mutations of a kernel are, and what is left of it with them.
@Suite struct MutationTests {
    private func changes(_ body: (KernelBuilder) -> Void) throws -> [String] {
        let kernel = try KernelBuilder.build("subject", threads: 64) { k in body(k) }
        return kernel.mutations.map { "\($0.operation): \($0.change)" }
    }

    @Test func ordersAndScopes() throws {
        #expect(
            try changes { k in
                let word = k.pointerParameter("word", to: UInt32.self)
                k.store(k.load(word), to: word + 1)
                k.store(k.load(word, order: .acquire(.system)), to: word, order: .release(.gpu))
                _ = k.load(word, order: .relaxed(.block))
                k.atomicAdd(word, 1, order: .relaxed(.gpu))
                _ = k.atomic(.add, word, k.constant(1), order: .acquireRelease(.block))
                k.fence(scope: .system)
                k.sequentialFence(scope: .gpu)
            } == [
                "acquire (system scope) load: relaxed", "acquire (system scope) load: gpu scope",
                "release (gpu scope) store: relaxed", "release (gpu scope) store: block scope",
                "relaxed (block scope) load: weak", "relaxed (gpu scope) atomic: block scope",
                "acquireRelease (block scope) atomic: acquire", "acquireRelease (block scope) atomic: release",
                "fence (system scope): removed", "fence (system scope): gpu scope",
                "sequential fence (gpu scope): removed", "sequential fence (gpu scope): acquireRelease",
                "sequential fence (gpu scope): block scope",
            ])
    }

    @Test func barriersAndWaits() throws {
        let found =
            try changes { k in
                let word = k.pointerParameter("word", to: UInt32.self)
                k.waitForPrerequisites()
                k.syncThreads()
                k.syncWarp()
                k.barrier(NamedBarrier(3), threads: 64)
                k.proxyFence(.async)
                k.bulkStoreWait(.completed)
                k.bulkStoreWait(.sourceRead)
                k.loop { k.breakIf(k.load(word, order: .relaxed(.gpu)) == 1) }
                k.loop { k.breakIf(k.load(word) == 1) }
                k.launchDependents()
            }
        #expect(
            found == [
                "waitForPrerequisites: removed", "barrier 0 sync: removed", "syncWarp: removed",
                "barrier 3 sync: removed", "proxyFence(.async): only asyncShared",
                "proxyFence(.async): only asyncGlobal",
                "bulkStoreWait(.completed): removed", "bulkStoreWait(.completed): only until read",
                "bulkStoreWait(.sourceRead): removed", "polling loop: not waiting", "relaxed (gpu scope) load: weak",
                "relaxed (gpu scope) load: block scope",
            ])
    }

    /// A mutation changes its operation and nothing else.
    @Test func changesAreApplied() throws {
        let kernel = try KernelBuilder.build("subject", threads: 64) { k in
            let word = k.pointerParameter("word", to: UInt32.self)
            k.if(k.isFirstThread) { k.atomicAdd(word, 1, order: .release(.gpu)) }
            k.syncThreads()
            k.loop { k.breakIf(k.load(word, order: .acquire(.gpu)) == 1) }
        }
        #expect(kernel.applying([]) == kernel)
        for mutation in kernel.mutations {
            let mutant = kernel.applying([mutation])
            #expect(mutant != kernel, "\(mutation)")
            #expect(mutant.name == kernel.name)
            // What is weakened is weaker or gone; a loop that does not wait is still one.
            #expect(mutation.change == .notWaiting || !mutant.mutations.contains(mutation), "\(mutation)")
        }
    }

    /// Every weakening of a protocol that is as weak as it may be is found.
    @Test func explorationFindsThem() throws {
        var variant = SignalProtocol()
        variant.steps = 2
        var configuration = SimulatorConfiguration(multiprocessors: 4)
        configuration.instructionLimit = 100_000
        for kernel in try variant.kernels {
            for mutation in kernel.mutations {
                let report = Exploration(schedules: 20, shrinkingRuns: 0, configuration: configuration).run {
                    try variant.run(on: $0) { $0.digest == kernel.digest ? $0.applying([mutation]) : $0 }
                }
                #expect(
                    report.failure != nil || report.outcomes.keys.contains { $0 != variant.expected },
                    "\(kernel.name): \(mutation)")
            }
        }
    }
}
