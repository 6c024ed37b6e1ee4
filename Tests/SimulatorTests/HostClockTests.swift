import KernelLanguage
import Simulator
import Testing

/// A machine that follows the host's clock and uses `memory` of the host.
private struct HostMachine {
    let machine: SimulatedMachine
    let stream: StreamID
    let words: UInt64

    init(_ memory: UnsafeMutableRawBufferPointer, seed: UInt64) throws {
        machine = SimulatedMachine(SimulatorConfiguration(multiprocessors: 4, seed: seed, clock: .host))
        stream = machine.makeStream(label: "main")
        words = try machine.adopt(memory, label: "shared words")
    }

    func run(_ kernel: Kernel, grid: Int = 1, _ arguments: [KernelArgument]) throws {
        try machine.enqueueLaunch(try Program(kernel), grid: grid, arguments: arguments, on: stream)
        try machine.synchronize(stream)
    }
}

/// Memory of the host that threads share; zero at first.
private final class SharedWords: @unchecked Sendable {
    // Sendable: for kernels, which say how they access it.
    let bytes: UnsafeMutableRawBufferPointer

    init(count: Int) {
        bytes = .allocate(byteCount: count, alignment: 1024)
        bytes.initializeMemory(as: UInt8.self, repeating: 0)
    }

    deinit { bytes.deallocate() }
}

@Suite struct HostClockTests {
    /// Side `own` of a game of `rounds` rounds: waits for its turn, checks 32 words that the other side wrote, writes
    /// its own ones, and gives the turn back. Words: turn, faults by side; from 128 on the ball, from 256 on the other.
    private func player() throws -> Kernel {
        try KernelBuilder.build("player", threads: 32) { k in
            let words = k.pointerParameter("words", to: UInt32.self)
            let own = k.parameter("own", UInt32.self)
            let rounds = k.parameter("rounds", UInt32.self)
            let ball = words + (k.constant(32) + own * 32 + k.lane)
            let other = words + (k.constant(64) - own * 32 + k.lane)
            let faults = k.variable(UInt32(0))
            let round = k.variable(UInt32(0))
            k.loop {
                k.breakIf(round.value == rounds)
                let turn = round.value * 2 + own
                k.loop {
                    k.breakIf(k.load(words, order: .acquire(.system)) == turn)
                    k.sleep(nanoseconds: 40)
                }
                // The second side moves after the first one.
                k.if(k.load(other) != round.value + own) { faults.add(1) }
                round.add(1)
                k.store(round.value, to: ball)
                k.syncWarp()
                k.if(k.isFirstLane) { k.store(turn + 1, to: words, order: .release(.system)) }
            }
            k.if(faults.value > 0) { k.atomicAdd(words + (own + 1), faults.value, order: .relaxed(.system)) }
        }
    }

    @Test func twoMachinesPlayPingPong() throws {
        let shared = SharedWords(count: 1024)
        let kernel = try player()
        let rounds: UInt32 = 5_000
        let threads = (0..<2).map { side in
            HostThread {
                let machine = try HostMachine(shared.bytes, seed: UInt64(side))
                try machine.run(
                    kernel, [.address(machine.words), .uint32(UInt32(side)), .uint32(rounds)])
            }
        }
        for thread in threads { try thread.join() }
        let words = shared.bytes.bindMemory(to: UInt32.self)
        #expect(words[0] == 2 * rounds)
        #expect(words[1] == 0 && words[2] == 0, "words of the other side that were not there yet")
    }

    @Test func updatesOfTwoMachinesAreNotLost() throws {
        let shared = SharedWords(count: 1024)
        // All lanes of several blocks add to one word, and compete for another.
        let kernel = try KernelBuilder.build("adding", threads: 64) { k in
            let words = k.pointerParameter("words", to: UInt32.self)
            let large = k.pointerParameter("large", to: UInt64.self)
            let round = k.variable(UInt32(0))
            k.loop {
                k.breakIf(round.value == 200)
                round.add(1)
                k.atomicAdd(words, 1, order: .relaxed(.system))
                k.atomicAdd(large, k.constant(UInt64(1 << 33)), order: .release(.system))
            }
        }
        let threads = (0..<2).map { side in
            HostThread {
                let machine = try HostMachine(shared.bytes, seed: UInt64(side))
                try machine.run(kernel, grid: 4, [.address(machine.words), .address(machine.words + 64)])
            }
        }
        for thread in threads { try thread.join() }
        let expected: UInt32 = 2 * 4 * 64 * 200
        #expect(shared.bytes.load(fromByteOffset: 0, as: UInt32.self) == expected)
        #expect(shared.bytes.load(fromByteOffset: 64, as: UInt64.self) == UInt64(expected) << 33)
    }

    @Test(arguments: [true, false]) func waitForNobodyEndsInRealTimeAndLeavesTheCPU(sleeps: Bool) throws {
        let shared = SharedWords(count: 1024)
        let kernel = try KernelBuilder.build("watchdog", threads: 64) { k in
            let words = k.pointerParameter("words", to: UInt64.self)
            let limit = k.parameter("limit", UInt64.self)
            k.if(k.isFirstLane) {
                let start = k.globalTimer
                k.loop {
                    k.breakIf(k.load(words, order: .acquire(.system)) != 0)
                    let waited = k.globalTimer - start
                    k.if(waited > limit) {
                        k.store(start, to: words + (k.constant(1) + k.blockIndex * 2))
                        k.store(waited, to: words + (k.constant(2) + k.blockIndex * 2))
                        k.exit()
                    }
                    if sleeps { k.sleep(nanoseconds: 40) }
                }
            }
        }
        let limit: UInt64 = 400_000_000
        let machine = try HostMachine(shared.bytes, seed: 1)
        let (before, used) = (hostNanoseconds(), threadNanoseconds())
        try machine.run(kernel, grid: 16, [.address(machine.words), .uint64(limit)])
        let (elapsed, busy) = (hostNanoseconds() - before, threadNanoseconds() - used)
        #expect(elapsed >= limit && elapsed < limit + 5_000_000_000)
        #expect(busy < elapsed * 3 / 4, "\(busy) of \(elapsed) ns on a CPU")
        for block in 0..<16 {
            // The clock is the host's.
            let start = shared.bytes.load(fromByteOffset: 8 + block * 16, as: UInt64.self)
            #expect(start >= before && start < before + elapsed)
            #expect(shared.bytes.load(fromByteOffset: 16 + block * 16, as: UInt64.self) > limit)
        }
        #expect(machine.machine.clock >= before + limit && machine.machine.clock <= hostNanoseconds())
    }

    @Test func sleepsTakeTheirTime() throws {
        let shared = SharedWords(count: 1024)
        let kernel = try KernelBuilder.build("sleeping", threads: 32) { k in
            let round = k.variable(UInt32(0))
            k.loop {
                k.breakIf(round.value == 10)
                round.add(1)
                k.sleep(nanoseconds: 20_000_000)
            }
        }
        let machine = try HostMachine(shared.bytes, seed: 3)
        let (before, used) = (hostNanoseconds(), threadNanoseconds())
        try machine.run(kernel, [])
        // A sleep takes at least half its time.
        #expect(hostNanoseconds() - before >= 100_000_000)
        #expect(threadNanoseconds() - used < 50_000_000)
        #expect(machine.machine.statistics.nanoseconds >= 100_000_000)
    }

    @Test func haltsEndByTheHostsClock() throws {
        var configuration = SimulatorConfiguration(multiprocessors: 1, clock: .host)
        configuration.halts = [RankHalt(rank: 0, afterInstructions: 10, nanoseconds: 100_000_000)]
        let machine = SimulatedMachine(configuration)
        let stream = machine.makeStream(label: "main")
        let kernel = try KernelBuilder.build("long", threads: 32) { k in
            let round = k.variable(UInt32(0))
            k.loop {
                k.breakIf(round.value == 100)
                round.add(1)
            }
        }
        let before = hostNanoseconds()
        try machine.enqueueLaunch(try Program(kernel), grid: 1, arguments: [], on: stream)
        try machine.synchronizeAll()
        #expect(hostNanoseconds() - before >= 100_000_000)
    }

    @Test func deadlocksAreStillFound() throws {
        let kernel = try KernelBuilder.build("missing", threads: 64) { k in
            k.if(k.warpIndex != 1) { k.barrier(NamedBarrier(1), threads: 64) }
        }
        let shared = SharedWords(count: 64)
        let machine = try HostMachine(shared.bytes, seed: 1)
        do {
            try machine.run(kernel, [])
            Issue.record("no deadlock")
        } catch SimulationError.deadlock(let waiting) {
            #expect(waiting.map(\.warp) == [0])
        }
    }

    @Test func schedulesAreRefused() throws {
        var configuration = SimulatorConfiguration(multiprocessors: 1, clock: .host)
        configuration.schedule = Schedule("random:1")
        let machine = SimulatedMachine(configuration)
        do throws(SimulationError) {
            try machine.synchronizeAll()
            Issue.record("no error")
        } catch {
            #expect("\(error)".contains("take the simulated clock"))
        }
    }
}
