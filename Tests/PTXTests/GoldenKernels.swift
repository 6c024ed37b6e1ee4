import KernelLanguage

/// Small kernels that between them use every family of operations.
enum GoldenKernels {
    static func all() throws -> [Kernel] {
        [try scale(), try quantise(), try largest(), try ring(), try tile(), try announce()]
    }

    /// Arithmetic, a loop and plain memory accesses.
    static func scale() throws -> Kernel {
        try KernelBuilder.build("scale", threads: 128) { k in
            let data = k.pointerParameter("data", to: Float.self)
            let factor = k.parameter("factor", Float.self)
            let count = k.parameter("count", UInt32.self)
            let first = k.blockIndex * 128 + k.threadIndex
            k.for(from: first, to: count, by: k.gridSize * 128) { index in
                let value = k.load(data + index, cache: .streaming)
                let scaled = value.multiply(factor, add: k.constant(-0.5))
                k.if(scaled > 0) {
                    k.store(scaled, to: data + index)
                } else: {
                    k.store(scaled.exponential2 - 1, to: data + index)
                }
            }
        }
    }

    /// Conversions and packed formats.
    static func quantise() throws -> Kernel {
        try KernelBuilder.build("quantise", threads: 64) { k in
            let source = k.pointerParameter("source", to: UInt32.self)
            let target = k.pointerParameter("target", to: UInt32.self)
            let words = k.loadVector(source + k.threadIndex * 2, count: 2, cache: .readOnly)
            let values = words.flatMap(\.bfloat16Pair)
            let packed = k.packFloat8(values)
            k.store(packed, to: target + k.threadIndex)
            let sum = packed.float8Quad.reduce(k.constant(Float(0))) { $0 + $1 }
            k.store(k.packBFloat16(sum, -sum), to: target + 64 + k.threadIndex)
            k.store(sum.converted(to: Int32.self).converted(to: UInt32.self), to: target + 128 + k.threadIndex)
        }
    }

    /// Shuffles and votes.
    static func largest() throws -> Kernel {
        try KernelBuilder.build("largest", threads: 32) { k in
            let data = k.pointerParameter("data", to: UInt32.self)
            let own = k.load(data + k.lane)
            var largest = own
            for distance in [16, 8, 4, 2, 1] {
                largest = largest.maximum(k.shuffle(largest, exclusiveOr: distance))
            }
            let holders = k.ballot(own == largest)
            k.if(k.elected) { k.store(holders.populationCount, to: data) }
        }
    }

    /// An mbarrier, bulk copies both ways and a prefetch.
    static func ring() throws -> Kernel {
        try KernelBuilder.build("ring", threads: 64) { k in
            let source = k.pointerParameter("source", to: UInt32.self)
            let target = k.pointerParameter("target", to: UInt32.self)
            let buffer = k.shared(UInt32.self, count: 256, alignment: 128)
            let full = MemoryBarrier(k.memoryBarriers(count: 1))
            k.if(k.isFirstThread) {
                k.initialise(full, arrivals: 1)
                k.proxyFence(.barrierInit)
                k.arrive(full, expecting: 1024)
                k.bulkLoad(source, to: buffer, bytes: k.constant(UInt32(1024)), barrier: full, cache: .evictFirst)
                k.bulkPrefetch(source + 256, bytes: k.constant(UInt32(1024)))
            }
            k.syncThreads()
            k.wait(full, parity: k.constant(UInt32(0)))
            k.proxyFence(.asyncShared)
            k.syncThreads()
            k.if(k.isFirstThread) {
                k.bulkStore(buffer, to: target, bytes: k.constant(UInt32(1024)))
                k.bulkStoreCommit()
                k.bulkStoreWait(.sourceRead, pending: 1)
                k.bulkStoreWait(.completed)
            }
        }
    }

    /// Tensor copies and warp-group multiplies.
    static func tile() throws -> Kernel {
        try KernelBuilder.build("tile", threads: 256) { k in
            let rows = k.tensorMapParameter("rows")
            let columns = k.tensorMapParameter("columns")
            let output = k.pointerParameter("output", to: Float.self)
            let a = k.shared(Float8E4M3.self, count: 64 * 128, alignment: 1024)
            let b = k.shared(Float8E4M3.self, count: 16 * 128, alignment: 1024)
            let full = MemoryBarrier(k.memoryBarriers(count: 1))
            k.if(k.isFirstThread) {
                k.prefetch(rows)
                k.initialise(full, arrivals: 1)
                k.proxyFence(.barrierInit)
            }
            k.syncThreads()
            k.waitForPrerequisites()
            k.if(k.warpIndex >= 4) {
                k.decreaseRegisters(to: 40)
                k.if(k.threadIndex == 128) {
                    let zero = k.constant(UInt32(0))
                    k.arrive(full, expecting: 80 * 128)
                    k.tensorLoad(rows, at: [zero, k.blockIndex * 64], to: a, barrier: full, cache: .evictFirst)
                    k.tensorLoad(columns, at: [zero, zero], to: b, barrier: full, cache: .evictLast)
                }
                k.exit()
            }
            k.increaseRegisters(to: 232)
            k.wait(full, parity: k.constant(UInt32(0)))
            let sums = (0..<8).map { _ in k.variable(k.constant(Float(0))) }
            k.multiplyFence()
            for step in 0..<4 {
                k.multiply(
                    Float8E4M3.self, a: k.matrixDescriptor(a + step * 32, swizzle: .bytes128),
                    b: k.matrixDescriptor(b + step * 32, swizzle: .bytes128), into: sums,
                    accumulate: k.constant(step > 0))
            }
            k.multiplyCommit()
            k.multiplyWait()
            for (index, sum) in sums.enumerated() { k.store(sum.value, to: output + k.threadIndex * 8 + index) }
            k.launchDependents()
        }
    }

    /// Synchronisation across blocks: ordered accesses, atomics, fences, named and cluster barriers.
    static func announce() throws -> Kernel {
        try KernelBuilder.build("announce", threads: 96, clusterSize: 2) { k in
            let signal = k.pointerParameter("signal", to: UInt32.self)
            k.barrier(NamedBarrier(1), threads: 96)
            k.if(k.isFirstThread) {
                k.fence(scope: .system)
                k.atomicAdd(signal, 1, order: .release(.gpu))
                let start = k.globalTimer
                k.loop {
                    k.breakIf(k.load(signal, order: .acquire(.gpu)) >= k.gridSize)
                    k.breakIf(k.globalTimer - start > 1_000_000)
                    k.sleep(nanoseconds: 100)
                }
                k.proxyFence(.asyncGlobal)
                let old = k.atomicCompareAndSwap(
                    signal + 1, expected: k.constant(UInt32(0)), value: k.clusterRank, order: .acquireRelease(.system))
                k.store(old, to: signal + 2, order: .release(.system))
            }
            k.syncWarp()
            k.clusterBarrier(.arrive)
            k.clusterBarrier(.wait)
        }
    }

    /// A loop over K with fresh sums for each step, added to the total with a scale.
    static func promote() throws -> Kernel {
        try KernelBuilder.build("promote", threads: 128) { k in
            let output = k.pointerParameter("output", to: Float.self)
            let scales = k.pointerParameter("scales", to: Float.self)
            let steps = k.parameter("steps", UInt32.self)
            let a = k.shared(Float8E4M3.self, count: 2 * 64 * 128, alignment: 1024)
            let b = k.shared(Float8E4M3.self, count: 2 * 32 * 128, alignment: 1024)
            let full = MemoryBarrier(k.memoryBarriers(count: 2))
            let partial = (0..<16).map { _ in k.variable(k.constant(Float(0))) }
            let total = (0..<16).map { _ in k.variable(k.constant(Float(0))) }
            k.for(from: k.constant(UInt32(0)), to: steps, by: k.constant(UInt32(1))) { step in
                let stage = step & 1
                k.wait(MemoryBarrier(full.pointer + stage), parity: (step >> 1) & 1)
                k.multiplyFence()
                for part in 0..<4 {
                    k.multiply(
                        Float8E4M3.self,
                        a: k.matrixDescriptor(a + stage * (64 * 128) + part * 32, swizzle: .bytes128),
                        b: k.matrixDescriptor(b + stage * (32 * 128) + part * 32, swizzle: .bytes128), into: partial,
                        accumulate: k.constant(part > 0))
                }
                k.multiplyCommit()
                let scale = k.load(scales + step)
                k.multiplyWait()
                for (sum, part) in zip(total, partial) { sum.add(part.value, times: scale) }
            }
            for (index, sum) in total.enumerated() { k.store(sum.value, to: output + k.threadIndex * 16 + index) }
        }
    }
}
