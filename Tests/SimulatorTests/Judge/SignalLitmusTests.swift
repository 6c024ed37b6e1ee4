import KernelLanguage
import Simulator
import Testing

/// Litmus tests of our own: the ways in which a protocol of signals, bulk copies and reused buffers goes wrong, each
/// found within a few schedules, and next to each the right way, which stays clean.
@Suite struct SignalLitmusTests {
    /// Schedules within which a fault must show.
    private static let budget = 20

    private static func right(_ change: (inout SignalProtocol) -> Void = { _ in }) -> SignalProtocol {
        var variant = SignalProtocol()
        change(&variant)
        return variant
    }

    /// The right ways.
    static let rightVariants: [(String, SignalProtocol)] = [
        ("bulk stores", right()),
        ("plain stores", right { $0.bulkStores = false }),
        ("another rank", right { ($0.consumerRank, $0.addScope, $0.pollScope) = (1, .system, .system) }),
        ("three steps", right { $0.steps = 3 }),
        ("three steps, cleared", right { ($0.steps, $0.reset) = (3, .beforeGivingBack) }),
        ("three steps, plain stores", right { ($0.steps, $0.bulkStores) = (3, false) }),
    ]

    @Test(arguments: rightVariants.map(\.0))
    func rightVariantsAreClean(_ name: String) throws {
        let variant = try #require(Self.rightVariants.first { $0.0 == name }).1
        for policy in [Exploration.Policy.random, .pct(depth: 3)] {
            let report = Exploration(policy: policy, schedules: 100).run { try variant.run(on: $0) }
            #expect(report.failure == nil, "\(report)")
            #expect(Array(report.outcomes.keys) == [variant.expected])
        }
    }

    /// Runs a wrong variant, and gives the race that is found.
    private func race(_ change: (inout SignalProtocol) -> Void) throws -> RaceReport {
        let variant = Self.right(change)
        let report = Exploration(policy: .random, schedules: Self.budget).run { try variant.run(on: $0) }
        let failure = try #require(report.failure, "nothing found: \(report)")
        guard case SimulationError.race(let race) = failure.error else { throw failure }
        return race
    }

    @Test func relaxedAdd() throws {
        let found = try race { ($0.addOrder, $0.bulkStores) = (.relaxed, false) }
        #expect(found.missing.hasPrefix("the atomic at"))
        #expect(found.missing.contains("is relaxed: nothing orders the plain store"))
        #expect(found.remedy == "give it order: .release(.gpu)")
        #expect(found.allocation == "row")
    }

    @Test func relaxedAddAfterBulkStores() throws {
        let found = try race { $0.addOrder = .relaxed }
        #expect(found.missing.contains("is relaxed: nothing orders the write of a bulk store"))
    }

    @Test func relaxedPoll() throws {
        let found = try race { $0.pollOrder = .relaxed }
        #expect(found.missing.hasPrefix("the load at") && found.missing.contains("is relaxed"))
        #expect(found.remedy.contains(".acquire"))
    }

    @Test func announcedBeforeBulkStoresArePerformed() throws {
        let found = try race { $0.storeWait = nil }
        #expect(found.missing.contains("need not have been performed"))
        #expect(found.remedy.contains("bulkStoreWait(.completed)"))
    }

    @Test func announcedWhenBulkStoresHaveOnlyRead() throws {
        let found = try race { $0.storeWait = .sourceRead }
        #expect(found.missing.contains("need not have been performed"))
    }

    /// The shared memory that a bulk store reads may be another block's by then.
    @Test func blockEndsBeforeBulkStoresHaveRead() throws {
        let variant = Self.right { ($0.storeWait, $0.waitsAtEnd) = (nil, false) }
        let report = Exploration(schedules: Self.budget).run { try variant.run(on: $0) }
        let errors = try #require(report.failure).error
        guard case SimulationError.invalidOperation(_, let problem) = errors else {
            Issue.record("\(errors)")
            return
        }
        #expect(problem.contains("bulkStoreWait(.sourceRead)"))
    }

    @Test func noProxyFenceAtTheConsumer() throws {
        for bulkStores in [false, true] {
            let found = try race { ($0.consumerFence, $0.bulkStores) = (false, bulkStores) }
            #expect(found.missing.contains("no proxy fence"))
            #expect(found.remedy.contains("proxyFence(.asyncGlobal)"))
        }
    }

    @Test func noBarrierAmongStoringWarps() throws {
        let found = try race { ($0.barrier, $0.bulkStores) = (false, false) }
        #expect(found.missing.contains("no barrier stands between it and the release"))
    }

    @Test func announcedBeforeTheRow() throws {
        let found = try race { ($0.rowFirst, $0.bulkStores) = (false, false) }
        #expect(found.allocation == "row")
    }

    @Test func blockScopeBetweenBlocks() throws {
        let found = try race { ($0.addScope, $0.pollScope, $0.bulkStores) = (.block, .block, false) }
        #expect(found.missing.contains("scope"))
        #expect(found.remedy.contains(".gpu"))
    }

    @Test func gpuScopeBetweenRanks() throws {
        let found = try race { ($0.consumerRank, $0.bulkStores) = (1, false) }
        #expect(found.missing.contains("scope"))
        #expect(found.remedy.contains(".system"))
    }

    @Test func bufferReusedOneStepTooEarly() throws {
        for bulkStores in [false, true] {
            let found = try race { ($0.steps, $0.waitsForReuse, $0.bulkStores) = (2, false, bulkStores) }
            #expect(found.allocation == "row")
        }
    }

    /// No race in the strict sense: both are atomic. But an add can be lost, and then the consumer waits forever.
    @Test func resetThatRacesWithTheNextStep() throws {
        let variant = Self.right { ($0.steps, $0.reset) = (3, .afterGivingBack) }
        var configuration = SimulatorConfiguration(multiprocessors: 4)
        configuration.instructionLimit = 100_000
        let report = Exploration(policy: .pct(depth: 3), schedules: 100, shrinkingRuns: 0, configuration: configuration)
            .run { try variant.run(on: $0) }
        #expect(report.failure != nil, "\(report)")
    }
}
