import KernelLanguage
import Simulator
import Testing

/// What the judge says of protocols over a network: nothing of right ones, and of each wrong one what is missing.
@Suite struct NetworkJudgeTests {
    /// Schedules within which a fault must show.
    private static let budget = 20

    private static func variant(_ change: (inout NetworkProtocol) -> Void = { _ in }) -> NetworkProtocol {
        var variant = NetworkProtocol()
        change(&variant)
        return variant
    }

    private static func configuration(
        _ order: NetworkConfiguration.Order, judged: NetworkConfiguration.Order = .unordered
    ) -> SimulatorConfiguration {
        var configuration = SimulatorConfiguration(multiprocessors: 4, instructionLimit: 300_000)
        configuration.network = NetworkConfiguration(order: order, judgedOrder: judged)
        return configuration
    }

    @Test(arguments: NetworkConfiguration.Order.allCases)
    func rightProtocolsAreClean(_ order: NetworkConfiguration.Order) throws {
        for right in [Self.variant(), Self.variant { $0.reset = .beforeAnswer }] {
            for policy in [Exploration.Policy.random, .pct(depth: 3)] {
                let report = Exploration(
                    policy: policy, schedules: 60, configuration: Self.configuration(order)
                ).run { try right.run(on: $0) }
                #expect(report.failure == nil, "\(report)")
                #expect(Array(report.outcomes.keys) == [right.expected])
                #expect(report.interleavings.count > 10)
            }
        }
    }

    /// Runs a wrong variant, and gives the race that is found.
    private func race(
        _ order: NetworkConfiguration.Order = .unordered, _ change: (inout NetworkProtocol) -> Void
    ) throws -> RaceReport {
        let variant = Self.variant(change)
        let exploration = Exploration(schedules: Self.budget, configuration: Self.configuration(order))
        let report = exploration.run { try variant.run(on: $0) }
        let failure = try #require(report.failure, "nothing found: \(report)")
        guard case SimulationError.race(let race) = failure.error else { throw failure }
        return race
    }

    @Test func sourceChangesBeforeAFlush() throws {
        let found = try race { $0.flush = .nobody }
        #expect(found.allocation == "source")
        #expect(found.missing.contains("no flush has said that it has"), "\(found)")
        #expect(found.remedy.contains("networkFlush"))
    }

    @Test func sourceChangesBehindAnotherThreadsFlush() throws {
        let found = try race { $0.flush = .otherThread }
        #expect(found.allocation == "source")
        #expect(found.missing.contains("the network may still read the source"), "\(found)")
    }

    /// An answer proves that the row has come, and still no network says that its source may change.
    @Test func answersAreNoFlush() throws {
        let found = try race { ($0.flush, $0.answers) = (.nobody, true) }
        #expect(found.remedy.contains("networkFlush"), "\(found)")
    }

    @Test func noBarrierAmongTheSourcesWarps() throws {
        let found = try race { $0.barrier = false }
        #expect(found.allocation == "source")
        #expect(found.missing.contains("does not cover the plain store"), "\(found)")
    }

    @Test(arguments: NetworkConfiguration.Order.allCases)
    func addsOfTheirOwnCoverNothing(_ order: NetworkConfiguration.Order) throws {
        let found = try race(order) { ($0.signal, $0.rounds) = (.separate, 1) }
        #expect(found.allocation == "row")
        #expect(found.missing.contains("that has no signal"), "\(found)")
    }

    @Test func signalsCoverNoOtherPut() throws {
        let second = try race { ($0.signal, $0.rounds) = (.ofSecondPut, 1) }
        #expect(second.allocation == "row")
        #expect(second.missing.contains("that has no signal"), "\(second)")
        let one = try race { ($0.signal, $0.rounds) = (.ofOneOfTwo, 1) }
        #expect(one.allocation == "row")
        #expect(one.missing.contains("adds to its own signal"), "\(one)")
    }

    @Test func rowsArePolled() throws {
        let found = try race { $0.pollsRow = true }
        #expect(found.allocation == "row")
        #expect(
            found.missing.contains("polls bytes") || found.missing.contains("may overwrite what the acquire"),
            "\(found)")
    }

    @Test func relaxedPoll() throws {
        let found = try race { $0.pollOrder = .relaxed(.system) }
        #expect(found.missing.contains("is relaxed"), "\(found)")
        #expect(found.remedy.contains(".acquire(.system)"), "\(found)")
    }

    @Test func pollInTheScopeOfAGPU() throws {
        let found = try race { $0.pollOrder = .acquire(.gpu) }
        #expect(found.allocation == "signals")
        #expect(found.missing.contains("in no GPU's scope"), "\(found)")
        #expect(found.remedy == "use .system scope")
    }

    @Test func plainPoll() throws {
        let found = try race { $0.pollOrder = .weak }
        #expect(found.allocation == "signals")
        #expect(found.remedy.contains(".acquire(.system)"), "\(found)")
    }

    @Test func rowsFollowTooSoon() throws {
        let found = try race { $0.answers = false }
        #expect(found.allocation == "row")
        #expect(
            found.missing.contains("meet in one place") || found.missing.contains("nor has the put's issuer heard"),
            "\(found)")
    }

    @Test func resetThatMeetsTheNextAdd() throws {
        let found = try race { $0.reset = .afterAnswer }
        #expect(found.allocation == "signals")
        #expect(found.missing.contains("change the same word"), "\(found)")
    }

    @Test func atomicsAreNotTheNetworks() throws {
        let found = try race { $0.reset = .byAtomic }
        #expect(found.allocation == "signals")
        #expect(found.missing.contains("change the same word"), "\(found)")
    }

    /// What a connection orders counts only where kernels may rely on it.
    @Test func connectionsCountIfTheyMay() throws {
        for signal in [NetworkProtocol.Signal.separate, .ofSecondPut] {
            let variant = Self.variant { $0.signal = signal }
            let connected = Self.configuration(.connected, judged: .connected)
            let report = Exploration(schedules: 60, configuration: connected).run { try variant.run(on: $0) }
            #expect(report.failure == nil, "\(report)")
            #expect(Array(report.outcomes.keys) == [variant.expected])
            // A network that orders nothing cannot be relied on, whatever the judge is told.
            let unordered = Self.configuration(.unordered, judged: .connected)
            let other = Exploration(schedules: Self.budget, configuration: unordered).run { try variant.run(on: $0) }
            #expect(other.failure != nil, "\(other)")
        }
    }

    /// A failing schedule is short, and shows the same again.
    @Test func schedulesReplay() throws {
        let variant = Self.variant { $0.flush = .nobody }
        let exploration = Exploration(schedules: Self.budget, configuration: Self.configuration(.unordered))
        let failure = try #require(exploration.run { try variant.run(on: $0) }.failure)
        let replay = Exploration(
            policy: .replay(failure.schedule), shrinkingRuns: 0, configuration: Self.configuration(.unordered))
        let again = try #require(replay.run { try variant.run(on: $0) }.failure)
        #expect("\(again.error)" == "\(failure.error)")
    }

    /// Every mutation of the right protocol is found, as the protocol has nothing that it does not need.
    @Test func mutationsAreFound() throws {
        let right = Self.variant()
        var changes: Set<String> = []
        for kernel in try right.kernels {
            for mutation in kernel.mutations {
                changes.insert("\(mutation.operation): \(mutation.change)")
                var failed = false
                for policy in [Exploration.Policy.random, .pct(depth: 3)] where !failed {
                    let report = Exploration(
                        policy: policy, schedules: 30, shrinkingRuns: 0, configuration: Self.configuration(.unordered)
                    ).run { machine in
                        let found = try right.run(on: machine) {
                            $0.name == kernel.name ? $0.applying([mutation]) : $0
                        }
                        if found != right.expected { throw WrongOutput() }
                        return 0
                    }
                    failed = report.failure != nil
                }
                #expect(failed, "\(kernel.name): \(mutation)")
            }
        }
        #expect(
            changes.isSuperset(of: [
                "network put with signal: signal covers nothing", "network put with signal: set instead of added",
                "network put with signal: another channel", "network add: set instead of added",
                "network flush: not waiting",
            ]))
    }

    private struct WrongOutput: Error {}
}
