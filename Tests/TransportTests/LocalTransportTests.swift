import Accelerator
import Synchronization
import Testing
import Transport

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// Ranks of one process find each other's windows, and meet.
@Suite struct LocalTransportTests {
    private let device = SimulatedDevice(seed: 1)

    @Test func windowsOfAllRanksInOrder() throws {
        let transports = try LocalTransport.group(ranks: 3)
        let made = try transports.reversed().map { try $0.makeWindow("a", bytes: 64, on: device) }
        #expect(throws: TransportError.missingRanks([0, 1, 2], what: "window \"a\"", seconds: 0)) {
            try transports[0].windows("a", within: 0)
        }
        for transport in transports { try transport.offerWindow("a") }
        for transport in transports {
            let found = try transport.windows("a", within: 1)
            #expect(found.map(\.address) == made.reversed().map(\.address))
            #expect((0..<3).allSatisfy { transport.reach(of: $0) == .sameDevice })
        }
    }

    @Test func namesTheRanksThatAreMissing() throws {
        let transports = try LocalTransport.group(ranks: 3)
        _ = try transports[1].makeWindow("a", bytes: 64, on: device)
        try transports[1].offerWindow("a")
        #expect(throws: TransportError.missingRanks([0, 2], what: "window \"a\"", seconds: 0.01)) {
            try transports[1].windows("a", within: 0.01)
        }
        #expect(throws: TransportError.missingRanks([1, 2], what: "a barrier", seconds: 0.01)) {
            try transports[0].barrier(within: 0.01)
        }
    }

    @Test func refusesWhatCannotBe() throws {
        #expect(throws: TransportError.groupSize(0)) { try LocalTransport.group(ranks: 0) }
        let transport = try LocalTransport.group(ranks: 1)[0]
        let first = try transport.makeWindow("a", bytes: 64, on: device)
        #expect(throws: TransportError.repeatedWindow(rank: 0, name: "a")) {
            try transport.makeWindow("a", bytes: 64, on: device)
        }
        #expect(throws: TransportError.unknownWindow(rank: 0, name: "b")) { try transport.offerWindow("b") }
        try transport.offerWindow("a")
        #expect(try transport.windows("a", within: .infinity).map(\.address) == [first.address])
    }

    /// A rank that gave up waiting at a barrier has not come to it.
    @Test func barriersForgetWhoGaveUp() throws {
        let transports = try LocalTransport.group(ranks: 2)
        for _ in 0..<3 {
            #expect(throws: TransportError.missingRanks([1], what: "a barrier", seconds: 0)) {
                try transports[0].barrier(within: 0)
            }
        }
        #expect(throws: TransportError.missingRanks([0], what: "a barrier", seconds: 0)) {
            try transports[1].barrier(within: 0)
        }
    }

    /// No rank leaves a barrier before all have come to it, ten times in a row, on threads of their own.
    @Test func barriersHoldAllRanks() throws {
        let transports = try LocalTransport.group(ranks: 4)
        let arrivals = Arrivals()
        let threads = transports.map { transport in
            RankThread {
                for round in 0..<10 {
                    arrivals.add(to: round)
                    do { try transport.barrier(within: 60) } catch { arrivals.fail("\(error)") }
                    if arrivals.count(of: round) != 4 { arrivals.fail("rank \(transport.rank) left round \(round)") }
                }
            }
        }
        for thread in threads { thread.join() }
        #expect(arrivals.failures == [])
    }
}

/// A thread of the operating system: tasks of Swift share as many as there are processors, and ranks wait for each
/// other.
private final class RankThread {
    private final class Body: Sendable {
        let run: @Sendable () -> Void
        init(_ run: @escaping @Sendable () -> Void) { self.run = run }
    }

    private var thread = pthread_t()

    init(_ run: @escaping @Sendable () -> Void) {
        let body = Unmanaged.passRetained(Body(run))
        pthread_create(
            &thread, nil,
            { argument in
                if let argument { Unmanaged<Body>.fromOpaque(argument).takeRetainedValue().run() }
                return nil
            }, body.toOpaque())
    }

    func join() { pthread_join(thread, nil) }
}

/// How many ranks have come to each round.
private final class Arrivals: Sendable {
    private let rounds = Mutex([Int: Int]())
    private let problems = Mutex([String]())

    var failures: [String] { problems.withLock { $0 } }
    func fail(_ what: String) { problems.withLock { $0.append(what) } }
    func add(to round: Int) { rounds.withLock { $0[round, default: 0] += 1 } }
    func count(of round: Int) -> Int { rounds.withLock { $0[round, default: 0] } }
}
