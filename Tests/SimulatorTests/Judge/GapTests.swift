import KernelLanguage
import Simulator
import Testing

/// Where the simulator allows less, or overlooks more, than PTX's memory model. `docs/exploration.md` lists the same
/// gaps. When one is closed, its test fails, and both have to change.
@Suite struct GapTests {
    /// PTX allows "1 1" too: nothing reads what the stores release, so nothing orders them.
    @Test func releaseStoresKeepTheirPlace() throws {
        #expect(try Litmus.twoPlusTwoWrites(.release).finalWords(2) == ["1 2", "2 1", "2 2"])
    }

    /// PTX allows "1 1" too: a relaxed atomic operation may come after a later store to another word.
    @Test func atomicsKeepTheirPlace() throws {
        func thread(_ own: Int, _ other: Int) -> Litmus.Thread {
            { k, m in
                let seen = k.atomic(.add, m[own], k.constant(0), order: .relaxed(.gpu))
                k.store(k.constant(1), to: m[other], order: .relaxed(.gpu))
                return [seen]
            }
        }
        #expect(try Litmus(.blocks, thread(0, 1), thread(1, 0)).outcomes() == ["0 0", "0 1", "1 0"])
    }

    /// PTX lets the second thread read any of the 21 values; the simulator keeps the last 16.
    @Test func oldStoresAreForgotten() throws {
        let litmus = Litmus(
            .blocks,
            { k, m in
                for value in 1...20 { k.store(k.constant(UInt32(value)), to: m[0], order: .relaxed(.gpu)) }
                k.store(k.constant(1), to: m[1], order: .relaxed(.gpu))
                return []
            },
            { k, m in
                k.loop { k.breakIf(k.load(m[1], order: .relaxed(.gpu)) == 1) }
                return [k.load(m[0], order: .relaxed(.gpu))]
            })
        let seen = try litmus.outcomes(.random, schedules: 1_000)
        #expect(seen.contains("20") && seen.contains("5"), "\(seen)")
        #expect(seen.isDisjoint(with: ["0", "1", "2", "3"]), "\(seen)")
    }

    /// The words of PTX ask for a proxy fence between a read and a later asynchronous write too; libraries for these
    /// GPUs do without, and so does the simulator, where an mbarrier or a barrier stands between the two.
    @Test func readsNeedNoProxyFenceBeforeCopies() throws {
        let kernel = try KernelBuilder.build("reuse", threads: 64) { k in
            let source = k.pointerParameter("source", to: UInt32.self)
            let output = k.pointerParameter("output", to: UInt32.self)
            let stage = k.shared(UInt32.self, count: 64, alignment: 128)
            let full = MemoryBarrier(k.memoryBarriers(count: 1))
            k.if(k.isFirstThread) {
                k.initialise(full, arrivals: 1)
                k.proxyFence(.barrierInit)
            }
            for round in 0..<2 {
                // All have read what came before.
                k.syncThreads()
                k.if(k.isFirstThread) {
                    k.arrive(full, expecting: 256)
                    k.bulkLoad(source + round * 64, to: stage, bytes: k.constant(UInt32(256)), barrier: full)
                }
                k.wait(full, parity: k.constant(UInt32(round & 1)))
                k.store(k.load(stage + k.threadIndex), to: output + (k.threadIndex + round * 64))
            }
        }
        let report = Exploration(schedules: 50).run { machine in
            let source = try machine.allocate([UInt32](0..<128), label: "source")
            let output = try machine.allocate(bytes: 512, label: "output")
            try machine.enqueueLaunch(
                try Program(kernel), grid: 1, arguments: [.address(source), .address(output)],
                on: machine.makeStream(label: "stream"))
            try machine.synchronizeAll()
            return try machine.read(UInt32.self, count: 128, from: output)
        }
        #expect(report.failure == nil, "\(report)")
        #expect(Array(report.outcomes.keys) == [[UInt32](0..<128)])
    }

    /// A warp-group multiply is undefined unless all four warps issue it. The simulator computes each warp's rows by
    /// itself.
    @Test func aWarpMayMissFromItsGroup() throws {
        let kernel = try KernelBuilder.build("three", threads: 128) { k in
            let tiles = k.shared(UInt32.self, count: 64 * 32 + 8 * 32, alignment: 1024)
            k.for(from: k.threadIndex, to: k.constant(UInt32(72 * 32)), by: k.constant(UInt32(128))) { index in
                k.store(k.constant(UInt32(0)), to: tiles + index)
            }
            k.proxyFence(.asyncShared)
            k.syncThreads()
            k.if(k.warpIndex < 3) {
                let sums = (0..<4).map { _ in k.variable(k.constant(Float(0))) }
                k.multiplyFence()
                k.multiply(
                    BFloat16.self, a: k.matrixDescriptor(tiles, swizzle: .bytes128),
                    b: k.matrixDescriptor(tiles + 64 * 32, swizzle: .bytes128), into: sums,
                    accumulate: k.constant(false))
                k.multiplyCommit()
                k.multiplyWait(pending: 0)
            }
        }
        let report = Exploration(schedules: 5).run { machine -> Bool in
            try machine.enqueueLaunch(
                try Program(kernel), grid: 1, arguments: [], on: machine.makeStream(label: "stream"))
            try machine.synchronizeAll()
            return true
        }
        #expect(report.failure == nil, "\(report)")
    }

    /// Not a gap: lanes that store to one word in one instruction race.
    @Test func lanesOfOneStoreRace() throws {
        let kernel = try KernelBuilder.build("lanes", threads: 32) { k in
            k.store(k.lane, to: k.pointerParameter("word", to: UInt32.self))
        }
        let report = Exploration(schedules: 1).run { machine -> Bool in
            let word = try machine.allocate(bytes: 4, label: "word")
            try machine.enqueueLaunch(
                try Program(kernel), grid: 1, arguments: [.address(word)], on: machine.makeStream(label: "stream"))
            try machine.synchronizeAll()
            return true
        }
        #expect("\(try #require(report.failure).error)".contains("race on byte 0 of word"))
    }
}
