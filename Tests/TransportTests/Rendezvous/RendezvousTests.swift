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

/// Processes that meet, come late, go, or are none of the group's.
@Suite struct RendezvousTests {
    private let secret = RendezvousSecret()

    /// What every process gives, with a rendezvous in the middle.
    private func meeting<Value: Sendable>(
        _ processes: Int, policy: Rendezvous.LossPolicy = .stop,
        _ body: @escaping @Sendable (Rendezvous, RendezvousServer) throws -> Value
    ) throws -> [Result<Value, any Error>] {
        let server = try RendezvousServer(processes: processes, secret: secret)
        let secret = secret
        return onThreads(processes) { number in
            try body(
                Rendezvous(
                    process: number, of: processes, secret: secret, at: server.address, policy: policy, within: 10),
                server)
        }
    }

    @Test(arguments: [1, 2, 3, 8]) func allGetWhatAllBring(_ processes: Int) throws {
        let results = try meeting(processes) { rendezvous, _ in
            try (0..<20).map { round in
                try rendezvous.gather("bytes", [UInt8](repeating: UInt8(rendezvous.process), count: round), within: 10)
            }
        }
        for result in results {
            for (round, parts) in try result.get().enumerated() {
                #expect(parts == (0..<processes).map { [UInt8](repeating: UInt8($0), count: round) })
            }
        }
    }

    /// More than sockets take at once, in both directions.
    @Test func largeContributions() throws {
        let size = 20_000_000
        let results = try meeting(3) { rendezvous, _ in
            try rendezvous.gather("bytes", [UInt8](repeating: UInt8(rendezvous.process), count: size), within: 30)
        }
        for result in results {
            let parts = try result.get()
            for process in 0..<3 {
                #expect(parts[process]?.count == size)
                #expect(parts[process]?.last == UInt8(process))
            }
        }
    }

    /// A process that gave up waiting comes to the same collective when it tries again, and to no later one.
    @Test func whoGivesUpMayComeAgain() throws {
        let results = try meeting(2) { rendezvous, _ in
            if rendezvous.process == 1 { usleep(600_000) }
            var tries = 0
            return try (0..<3).map { round in
                while true {
                    tries += 1
                    do {
                        let part = [UInt8(10 * round + rendezvous.process)]
                        return try rendezvous.gather(
                            "round", part, within: rendezvous.process == 0 && tries == 1 ? 0.1 : 10)
                    } catch TransportError.missingProcesses { #expect(tries == 1) }
                }
            }
        }
        for result in results {
            #expect(try result.get() == [[[0], [1]], [[10], [11]], [[20], [21]]])
        }
    }

    @Test func whoDoesNotComeIsNamed() throws {
        let results = try meeting(3) { rendezvous, _ in
            if rendezvous.process == 1 {
                usleep(900_000)
                return
            }
            // Who ends is gone, and would be named by those that still wait.
            defer { usleep(500_000) }
            try rendezvous.barrier("the start", within: 0.3)
        }
        let expected = TransportError.missingProcesses([1], what: "the start", seconds: 0.3)
        #expect(throws: expected) { try results[0].get() }
        #expect(throws: expected) { try results[2].get() }
    }

    @Test func whoGoesIsNamedAtOnce() throws {
        let clock = ContinuousClock()
        let start = clock.now
        let results = try meeting(3) { rendezvous, server in
            try rendezvous.barrier("all", within: 10)
            if rendezvous.process == 2 {
                server.lose(2, reason: "was killed by signal 9")
                return
            }
            // Who ends is gone, and would be named by those that still wait.
            defer { usleep(500_000) }
            try rendezvous.barrier("the end", within: 60)
        }
        let expected = TransportError.lostProcesses([2: "was killed by signal 9"], what: "the end")
        for process in 0..<2 { #expect(throws: expected) { try results[process].get() } }
        #expect(clock.now - start < .seconds(20))
    }

    /// A connection that ends without a goodbye is a loss, one with a goodbye is none.
    @Test func endsWithAndWithoutAWord() throws {
        for isPolite in [true, false] {
            let results = try meeting(2) { rendezvous, server in
                try rendezvous.barrier("all", within: 10)
                if rendezvous.process == 1 {
                    if isPolite { rendezvous.leave() }
                    return [Int: String]()
                }
                let deadline = Deadline(seconds: isPolite ? 0.5 : 10)
                while rendezvous.lost.isEmpty, !deadline.isOver { usleep(10_000) }
                return rendezvous.lost
            }
            let lost = try results[0].get()
            #expect(lost.keys.sorted() == (isPolite ? [] : [1]), "\(isPolite): \(lost)")
        }
    }

    @Test func othersGoOnWithoutOne() throws {
        let results = try meeting(3, policy: .goOn) { rendezvous, server in
            try rendezvous.barrier("all", within: 10)
            if rendezvous.process == 0 { return [[UInt8]?]() }
            return try rendezvous.gather("bytes", [UInt8(rendezvous.process)], within: 10)
        }
        for process in 1..<3 { #expect(try results[process].get() == [nil, [1], [2]]) }
    }

    /// A process that is started again is taken in again, and takes part.
    @Test func whoWasLostComesBack() throws {
        let secret = secret
        let results = try meeting(2, policy: .goOn) { rendezvous, server in
            try rendezvous.barrier("all", within: 10)
            if rendezvous.process == 1 { return [[UInt8]?]() }
            let deadline = Deadline(seconds: 10)
            while rendezvous.lost.isEmpty, !deadline.isOver { usleep(1_000) }
            let again = try Rendezvous(
                process: 1, of: 2, secret: secret, at: server.address, policy: .goOn, within: 10)
            while rendezvous.visits(of: 1) < 2, !deadline.isOver { usleep(1_000) }
            // Until it is taken in, others do without it.
            let alone = try rendezvous.gather("bytes", [9], within: 10)
            let both = onThreads(2) { number in
                let own = number == 0 ? rendezvous : again
                let taken = try own.gather([UInt8(10 + number)], takingIn: 1, within: 10)
                return try taken + own.gather("bytes", [UInt8(20 + number)], within: 10)
            }
            return try alone + both[1].get()
        }
        #expect(try results[0].get() == [[9], nil, [10], [11], [20], [21]])
    }

    @Test func failuresReachTheServer() throws {
        let failures = try meeting(2) { rendezvous, server in
            if rendezvous.process == 1 {
                rendezvous.fail("no more paper", waitedFor: 0)
                return [ProcessFailure]()
            }
            let deadline = Deadline(seconds: 10)
            while server.failures.isEmpty, !deadline.isOver { usleep(1_000) }
            return server.failures
        }
        #expect(try failures[0].get() == [ProcessFailure(process: 1, waitedFor: 0, text: "no more paper")])
    }

    // MARK: Strangers

    @Test func wrongSecretsAreDropped() throws {
        let server = try RendezvousServer(processes: 2, secret: secret)
        for other in [RendezvousSecret(), try #require(RendezvousSecret(secret.text + "x"))] {
            #expect {
                try Rendezvous(process: 0, of: 2, secret: other, at: server.address, within: 5)
            } throws: { error in
                if case TransportError.refused = error { true } else { false }
            }
        }
    }

    /// Bytes that are no message, and a stranger that says nothing, keep nobody else from meeting.
    @Test func nonsenseDisturbsNobody() throws {
        let server = try RendezvousServer(processes: 1, secret: secret)
        let silent = try Socket.connect(to: server.address, by: Deadline(seconds: 5))
        for bytes in [[UInt8](repeating: 0xFF, count: 100), Array("GET / HTTP/1.1\r\n\r\n".utf8)] {
            let stranger = try Socket.connect(to: server.address, by: Deadline(seconds: 5))
            #expect(stranger.send(bytes, by: Deadline(seconds: 5)))
            #expect(stranger.receive(1, by: Deadline(seconds: 5)) == nil)
        }
        let own = try Rendezvous(process: 0, of: 1, secret: secret, at: server.address, within: 5)
        try own.barrier(within: 5)
        withExtendedLifetime(silent) {}
    }

    @Test func numbersThatDoNotFitAreRefused() throws {
        let server = try RendezvousServer(processes: 2, secret: secret)
        let first = try Rendezvous(process: 0, of: 2, secret: secret, at: server.address, within: 5)
        for (process, processes) in [(0, 2), (2, 2), (0, 3)] {
            #expect("process \(process) of \(processes)") {
                try Rendezvous(process: process, of: processes, secret: secret, at: server.address, within: 5)
            } throws: { error in
                if case TransportError.refused = error { true } else { false }
            }
        }
        withExtendedLifetime(first) {}
    }

    @Test func nobodyAnswers() throws {
        let (listener, address) = try Socket.listen(at: .tcp(host: "127.0.0.1", port: 0))
        // Somebody takes the connection and says nothing.
        #expect {
            try Rendezvous(process: 0, of: 2, secret: secret, at: address, within: 0.3)
        } throws: { error in
            if case TransportError.unreachable = error { true } else { false }
        }
        withExtendedLifetime(listener) {}
        #expect {
            try Rendezvous(process: 0, of: 2, secret: secret, at: .unix("@swiftep-nobody"), within: 0.2)
        } throws: { error in
            if case TransportError.unreachable = error { true } else { false }
        }
    }
}
