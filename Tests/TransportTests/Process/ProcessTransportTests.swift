import Accelerator
import NVSHMEM
import Simulator
import TestSupport
import Testing
import Transport

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#elseif canImport(Darwin)
    import Darwin
#endif

/// Groups of processes, each on a thread with a simulator of its own.
@Suite struct ProcessTransportTests {
    private func processes<Value: Sendable>(
        _ count: Int, ranks: Int, agreeing: @escaping @Sendable (Int) -> [(name: String, value: String)] = { _ in [] },
        _ body: @escaping @Sendable (ProcessGroup, SimulatedDevice) throws -> Value
    ) throws -> [Result<Value, any Error>] {
        let secret = RendezvousSecret()
        let server = try RendezvousServer(processes: count, secret: secret)
        return onThreads(count) { number in
            let device = SimulatedDevice(configuration: SimulatorConfiguration(multiprocessors: 4, clock: .host))
            let rendezvous = try Rendezvous(
                process: number, of: count, secret: secret, at: server.address, within: 10)
            let group = try ProcessGroup(
                rendezvous, ranks: ranks, device: device, agreeing: agreeing(number), within: 10)
            let value = try body(group, device)
            try group.leave(within: 10)
            return value
        }
    }

    /// Every rank writes into the windows of all, and finds in its own what all have written.
    @Test(arguments: [(1, 2), (2, 2), (2, 4), (3, 3)])
    func windowsAreOneMemory(_ count: Int, _ ranks: Int) throws {
        let results = try processes(count, ranks: ranks) { group, device in
            let transports = group.transports()
            let own = try transports.map { try $0.makeWindow("w", bytes: ranks * 8, on: device) }
            for transport in transports { try transport.offerWindow("w") }
            for transport in transports {
                let windows = try transport.windows("w", within: 10)
                for (peer, window) in windows.enumerated() {
                    let word = window.part("word", offset: transport.rank * 8, bytes: 8)
                    try device.write([UInt64(100 * transport.rank + peer)], to: word)
                }
            }
            try group.rendezvous.barrier(within: 10)
            // Windows are offered as long as their transports live.
            withExtendedLifetime(transports) {}
            return try own.map { try device.read(UInt64.self, count: ranks, from: $0) }
        }
        let found = try results.flatMap { try $0.get() }
        for rank in 0..<ranks {
            #expect(found[rank] == (0..<ranks).map { UInt64(100 * $0 + rank) }, "rank \(rank)")
        }
    }

    @Test func hostsHaveEvenNumbersOfProcessesThatFollowOneAnother() {
        #expect(ProcessGroup.processesPerHost(["a"]) == 1)
        #expect(ProcessGroup.processesPerHost(["a", "a", "a"]) == 3)
        #expect(ProcessGroup.processesPerHost(["a", "a", "b", "b", "c", "c"]) == 2)
        #expect(ProcessGroup.processesPerHost(["a", "b", "a", "b"]) == nil)
        #expect(ProcessGroup.processesPerHost(["a", "a", "b"]) == nil)
        #expect(ProcessGroup.processesPerHost(["a", "b", "b"]) == nil)
        #expect(ProcessGroup.processesPerHost(["a", "a", "b", "b", "a", "a"]) == nil)
    }

    @Test func processesOfOneMachineKnowIt() throws {
        let results = try processes(3, ranks: 6) { group, _ in
            [group.extent.hosts, group.firstOfHost, group.ranksPerHost ?? 0]
        }
        for result in results { #expect(try result.get() == [1, 0, 6]) }
    }

    @Test func nvshmemNeedsGPUs() throws {
        for result in try processes(2, ranks: 2, { group, _ in try NVSHMEMEngine(group).ranksPerNode }) {
            #expect(throws: NVSHMEMError.self) { try result.get() }
        }
    }

    /// Windows of one group of ranks after the other, under the same names.
    @Test func groupsHaveWindowsOfTheirOwn() throws {
        let results = try processes(2, ranks: 2) { group, device in
            try (1...3).map { size in
                let transport = group.transports()[0]
                _ = try transport.makeWindow("w", bytes: size * 64, on: device)
                try transport.offerWindow("w")
                let bytes = try transport.windows("w", within: 10).map(\.bytes)
                try group.rendezvous.barrier(within: 10)
                withExtendedLifetime(transport) {}
                return bytes
            }
        }
        for result in results { #expect(try result.get() == (1...3).map { [$0 * 64, $0 * 64] }) }
    }

    @Test func whoOffersNothingIsNamed() throws {
        let results = try processes(2, ranks: 2) { group, device in
            let transport = group.transports()[0]
            _ = try transport.makeWindow("w", bytes: 64, on: device)
            if transport.rank == 0 { try transport.offerWindow("w") }
            let found = Result { try transport.windows("w", within: 0.3).map(\.bytes) }
            try group.rendezvous.barrier(within: 10)
            withExtendedLifetime(transport) {}
            #expect(throws: TransportError.missingRanks([1], what: "window \"w\"", seconds: 0.3)) { try found.get() }
        }
        for result in results { try result.get() }
    }

    @Test func barriersOfAllRanks() throws {
        let results = try processes(2, ranks: 4) { group, _ in
            let transports = group.transports()
            let ends = onThreads(2) { number in
                for _ in 0..<20 { try transports[number].barrier(within: 10) }
            }
            for end in ends { try end.get() }
            // One rank of a process does not come.
            guard group.rendezvous.process == 0 else { return }
            #expect(throws: TransportError.missingRanks([1], what: "a barrier", seconds: 0.1)) {
                try transports[0].barrier(within: 0.1)
            }
        }
        for result in results { try result.get() }
    }

    /// All processes see what differs, and which it is.
    @Test func whatDiffersIsRefusedByAll() throws {
        let results = try processes(
            3, ranks: 3, agreeing: { [("hidden", $0 == 2 ? "128" : "256"), ("top-k", "2")] }
        ) { _, _ in }
        let expected = TransportError.disagreement([
            .init(name: "hidden", expected: "256", of: 0, found: "128", in: 2)
        ])
        for result in results { #expect(throws: expected) { try result.get() } }
    }

    @Test func ranksAreSharedEvenly() throws {
        let results = try processes(2, ranks: 3) { _, _ in }
        for result in results {
            #expect(throws: TransportError.unevenRanks(ranks: 3, processes: 2)) { try result.get() }
        }
    }
}
