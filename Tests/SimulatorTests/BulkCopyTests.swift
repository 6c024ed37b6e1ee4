import KernelLanguage
import Simulator
import Testing

/// A pipeline: one warp loads tiles with bulk copies, the others add one and store them back with bulk copies.
private func pipeline(stages: Int, tiles: Int) throws -> Kernel {
    try KernelBuilder.build("pipeline", threads: 128) { k in
        let input = k.pointerParameter("in", to: UInt32.self)
        let output = k.pointerParameter("out", to: UInt32.self)
        let full = k.memoryBarriers(count: stages)
        let empty = k.memoryBarriers(count: stages)
        let buffer = k.shared(UInt32.self, count: stages * 96, alignment: 128)
        let results = k.shared(UInt32.self, count: 96, alignment: 128)
        k.if(k.isFirstThread) {
            for stage in 0..<stages {
                k.initialise(MemoryBarrier(full + stage), arrivals: 1)
                k.initialise(MemoryBarrier(empty + stage), arrivals: 96)
            }
            k.proxyFence(.barrierInit)
        }
        k.syncThreads()
        k.if(k.warpIndex == 0) {
            k.if(k.elected) {
                k.for(to: tiles) { tile in
                    let stage = tile % stages
                    let round = tile / stages
                    k.wait(MemoryBarrier(empty + stage), parity: (round & 1) ^ 1)
                    k.arrive(MemoryBarrier(full + stage), expecting: 384)
                    k.bulkLoad(
                        input + tile * 96, to: buffer + stage * 96, bytes: k.constant(UInt32(384)),
                        barrier: MemoryBarrier(full + stage))
                }
            }
        } else: {
            let thread = k.threadIndex - 32
            k.for(to: tiles) { tile in
                let stage = tile % stages
                k.wait(MemoryBarrier(full + stage), parity: (tile / stages) & 1)
                let value = k.load(buffer + (stage * 96 + thread)) + 1
                k.arrive(MemoryBarrier(empty + stage))
                k.store(value, to: results + thread)
                k.proxyFence(.asyncShared)
                k.barrier(NamedBarrier(1), threads: 96)
                k.if(thread == 0) {
                    k.bulkStore(results, to: output + tile * 96, bytes: k.constant(UInt32(384)))
                    k.bulkStoreCommit()
                    k.bulkStoreWait(.sourceRead)
                }
                k.barrier(NamedBarrier(2), threads: 96)
            }
        }
    }
}

@Suite struct BulkCopyTests {
    @Test(arguments: 0..<20) func ringOfBulkCopies(seed: UInt64) throws {
        let harness = Harness(seed: seed)
        let tiles = 12
        let input = try harness.buffer((0..<UInt32(96 * tiles)).map { $0 * 5 })
        let output = try harness.empty(UInt32.self, count: 96 * tiles)
        try harness.run(try pipeline(stages: 3, tiles: tiles), [.address(input), .address(output)])
        let words = try harness.read(UInt32.self, count: 96 * tiles, at: output)
        let expected: [UInt32] = (0..<UInt32(96 * tiles)).map { (word: UInt32) -> UInt32 in word * 5 + 1 }
        #expect(words == expected)
        #expect(harness.machine.clock > 300)
    }

    @Test func dataArriveLaterThanIssued() throws {
        let kernel = try KernelBuilder.build("early", threads: 32) { k in
            let input = k.pointerParameter("in", to: UInt32.self)
            let output = k.pointerParameter("out", to: UInt32.self)
            let barrier = MemoryBarrier(k.memoryBarriers(count: 1))
            let words = k.shared(UInt32.self, count: 32)
            k.store(k.lane, to: words + k.lane)
            k.if(k.isFirstLane) {
                k.initialise(barrier, arrivals: 1)
                k.arrive(barrier, expecting: 128)
                k.bulkLoad(input, to: words, bytes: k.constant(UInt32(128)), barrier: barrier)
            }
            // No wait: the old contents are still there.
            k.store(k.load(words + k.lane), to: output + k.lane)
            k.wait(barrier, parity: k.constant(UInt32(0)))
            k.store(k.load(words + k.lane), to: output + (k.lane + 32))
        }
        let harness = Harness()
        let input = try harness.buffer((0..<32).map { UInt32($0 + 1000) })
        let output = try harness.empty(UInt32.self, count: 64)
        try harness.run(kernel, [.address(input), .address(output)])
        let words = try harness.read(UInt32.self, count: 64, at: output)
        #expect(Array(words[..<32]) == Array(0..<32))
        #expect(Array(words[32...]) == (0..<32).map { $0 + 1000 })
    }

    @Test func storeThatWasOnlyReadIsNotPerformed() throws {
        /// Reads back what a bulk store wrote after waiting for `progress`.
        func readBack(_ progress: KernelBuilder.BulkStoreProgress, seed: UInt64) throws -> UInt32 {
            let kernel = try KernelBuilder.build("store", threads: 32) { k in
                let target = k.pointerParameter("target", to: UInt32.self)
                let output = k.pointerParameter("out", to: UInt32.self)
                let words = k.shared(UInt32.self, count: 32)
                k.store(k.lane + 50, to: words + k.lane)
                k.syncWarp()
                k.if(k.isFirstLane) {
                    k.bulkStore(words, to: target, bytes: k.constant(UInt32(128)))
                    k.bulkStoreCommit()
                    k.bulkStoreWait(progress)
                    k.store(k.constant(UInt32(9)), to: words)
                    k.store(k.load(target), to: output)
                }
            }
            let harness = Harness(seed: seed)
            let target = try harness.buffer([UInt32](repeating: 7, count: 32))
            let output = try harness.empty(UInt32.self, count: 1)
            try harness.run(kernel, [.address(target), .address(output)])
            // The kernel is complete only when its stores are, and they read before the buffer was used again.
            #expect(try harness.read(UInt32.self, count: 32, at: target) == (0..<32).map { $0 + 50 })
            return try harness.read(UInt32.self, count: 1, at: output)[0]
        }
        for seed in 0..<UInt64(5) {
            #expect(try readBack(.completed, seed: seed) == 50)
            #expect(try readBack(.sourceRead, seed: seed) == 7)
        }
    }

    @Test func reusingTheSourceTooEarlyGivesWrongData() throws {
        let kernel = try KernelBuilder.build("reuse", threads: 32) { k in
            let target = k.pointerParameter("target", to: UInt32.self)
            let words = k.shared(UInt32.self, count: 32)
            k.store(k.lane, to: words + k.lane)
            k.if(k.isFirstLane) {
                k.bulkStore(words, to: target, bytes: k.constant(UInt32(128)))
                k.bulkStoreCommit()
            }
            k.store(k.lane + 1, to: words + k.lane)
            k.bulkStoreWait(.completed)
        }
        let harness = Harness()
        let target = try harness.empty(UInt32.self, count: 32)
        try harness.run(kernel, [.address(target)])
        #expect(try harness.read(UInt32.self, count: 32, at: target) == (1...32).map { $0 })
    }

    @Test func uninitialisedRowsTravelWithoutError() throws {
        let kernel = try KernelBuilder.build("rows", threads: 32) { k in
            let input = k.pointerParameter("in", to: UInt32.self)
            let output = k.pointerParameter("out", to: UInt32.self)
            let wanted = k.parameter("wanted", UInt32.self)
            let barrier = MemoryBarrier(k.memoryBarriers(count: 1))
            let words = k.shared(UInt32.self, count: 32)
            k.if(k.isFirstLane) {
                k.initialise(barrier, arrivals: 1)
                k.arrive(barrier, expecting: 128)
                k.bulkLoad(input, to: words, bytes: k.constant(UInt32(128)), barrier: barrier)
                k.wait(barrier, parity: k.constant(UInt32(0)))
                k.bulkStore(words, to: output, bytes: k.constant(UInt32(128)))
                k.bulkStoreCommit()
                k.bulkStoreWait(.completed)
                k.store(k.load(output + wanted), to: output)
            }
        }
        for (wanted, isFine) in [(UInt32(3), true), (20, false)] {
            let harness = Harness()
            let input = try harness.empty(UInt32.self, count: 32)
            try harness.write((0..<16).map { UInt32($0) }, at: input)
            let output = try harness.empty(UInt32.self, count: 32)
            let error = try harness.failure(kernel, [.address(input), .address(output), .uint32(wanted)])
            if isFine {
                #expect(error == nil)
            } else if case .uninitialised(let fault) = error {
                #expect(fault.nearest?.offset == 80)
            } else {
                Issue.record("\(String(describing: error))")
            }
        }
    }

    @Test func copiesOutOfBoundsAndMisaligned() throws {
        let kernel = try KernelBuilder.build("bounds", threads: 32) { k in
            let input = k.pointerParameter("in", to: UInt32.self)
            let bytes = k.parameter("bytes", UInt32.self)
            let barrier = MemoryBarrier(k.memoryBarriers(count: 1))
            let words = k.shared(UInt32.self, count: 64)
            k.if(k.isFirstLane) {
                k.initialise(barrier, arrivals: 1)
                k.arrive(barrier, expecting: bytes)
                k.bulkLoad(input, to: words, bytes: bytes, barrier: barrier)
                k.wait(barrier, parity: k.constant(UInt32(0)))
            }
        }
        func failure(_ bytes: UInt32, offset: UInt64 = 0) throws -> SimulationError? {
            let harness = Harness()
            let input = try harness.buffer([UInt32](repeating: 0, count: 32), "input")
            return try harness.failure(kernel, [.address(input + offset), .uint32(bytes)])
        }
        #expect(try failure(128) == nil)
        guard case .outOfBounds(let fault) = try failure(144) else {
            Issue.record("no error")
            return
        }
        #expect(fault.nearest?.label == "input")
        #expect(fault.place?.location.file.hasSuffix("BulkCopyTests.swift") == true)
        guard case .invalidOperation = try failure(100) else {
            Issue.record("no error")
            return
        }
        guard case .invalidOperation = try failure(64, offset: 8) else {
            Issue.record("no error")
            return
        }
    }
}
