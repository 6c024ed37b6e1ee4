//! Single Batch Overlap in small: a GEMM publishes each finished tile, and a kernel beside it sends row blocks home as
//! soon as their signal is complete.

import KernelLanguage
import Simulator

// snippet.gemm
// Two row blocks of 64 rows; each has two tiles of 8 columns. The operands are all ones, so each sum is 16.
let (rowBlocks, tilesAcross, blockM, tileN, depth) = (2, 2, 64, 8, 16)
let (width, blockBytes) = (tilesAcross * tileN, blockM * tilesAcross * tileN * 4)

/// A tile for each thread block, multiplied as in Ladder5Multiply.
func gemm(_ publish: MemoryOrder) throws -> Kernel {
    try KernelBuilder.build("gemm", threads: 128) { k in
        let rows = k.pointerParameter("rows", to: Float.self)
        let signals = k.pointerParameter("signals", to: UInt32.self)
        let (rowBlock, tile) = (k.blockIndex / tilesAcross, k.blockIndex % tilesAcross)
        let operands = [blockM, tileN].map { height in
            let shared = k.shared(UInt32.self, count: height * depth / 2, alignment: 128)
            k.for(from: k.threadIndex, to: k.constant(UInt32(height * depth / 2)), by: k.constant(128)) { word in
                k.store(k.constant(UInt32(0x3F80_3F80)), to: shared + word)
            }
            return k.matrixDescriptor(shared, swizzle: .none, leadingBytes: height * 16, strideBytes: 128)
        }
        k.proxyFence(.asyncShared)
        k.syncThreads()
        let sums = (0..<tileN / 2).map { _ in k.variable(Float(0)) }
        k.multiplyFence()
        k.multiply(BFloat16.self, a: operands[0], b: operands[1], into: sums, accumulate: k.constant(false))
        k.multiplyCommit()
        k.multiplyWait()
        for (index, sum) in sums.enumerated() {
            let row = (k.warpIndex << 4) + (k.lane >> 2) + index / 2 * 8
            let column = tile * tileN + ((k.lane & 3) << 1) + index % 2
            k.store(sum.value, to: rows + (rowBlock * blockM + row).multiply(width, add: column))
        }
        // snippet.publish
        // All have stored; one thread publishes for them. Its release covers what the barrier has let it know.
        k.syncThreads()
        k.if(k.isFirstThread) { k.atomicAdd(signals + rowBlock, 1, order: publish) }
    }
}

// snippet.send
/// Waits for each row block's signal, then moves its rows home by bulk copies.
let send = try KernelBuilder.build("send", threads: 32) { k in
    let rows = k.pointerParameter("rows", to: Float.self)
    let signals = k.pointerParameter("signals", to: UInt32.self)
    let home = k.pointerParameter("home", to: Float.self)
    let staging = k.shared(Float.self, count: blockM * width, alignment: 128)
    let barrier = MemoryBarrier(k.memoryBarriers(count: 1))
    k.if(k.isFirstThread) {
        k.initialise(barrier, arrivals: 1)
        k.proxyFence(.barrierInit)
        k.for(to: rowBlocks) { rowBlock in
            k.loop { k.breakIf(k.load(signals + rowBlock, order: .acquire(.gpu)) >= tilesAcross) }
            // What the acquire made visible to loads must be so for bulk copies too.
            k.proxyFence(.asyncGlobal)
            k.arrive(barrier, expecting: blockBytes)
            k.bulkLoad(rows + rowBlock * (blockM * width), to: staging, bytes: blockBytes, barrier: barrier)
            k.wait(barrier, parity: rowBlock & 1)
            k.bulkStore(staging, to: home + rowBlock * (blockM * width), bytes: blockBytes)
            k.bulkStoreCommit()
            k.bulkStoreWait(.completed)
        }
    }
}

// snippet.explore
/// Both kernels at once, on streams of their own.
func explore(_ publish: MemoryOrder) throws -> ExplorationReport<[Float]> {
    let gemm = try gemm(publish)
    return Exploration(schedules: 20).run { machine in
        let count = rowBlocks * blockM * width
        let rows = try machine.allocate(bytes: count * 4, label: "rows")
        let home = try machine.allocate(bytes: count * 4, label: "home")
        let signals = try machine.allocate([UInt32](repeating: 0, count: rowBlocks), label: "signals")
        try machine.enqueueLaunch(
            Program(gemm), grid: rowBlocks * tilesAcross, arguments: [.address(rows), .address(signals)],
            on: machine.makeStream(label: "compute"))
        try machine.enqueueLaunch(
            Program(send), grid: 1, arguments: [.address(rows), .address(signals), .address(home)],
            on: machine.makeStream(label: "communication"))
        try machine.synchronizeAll()
        return try machine.read(Float.self, count: count, from: home)
    }
}

// snippet.compare
let right = try explore(.release(.gpu))
guard right.failure == nil else { fatalError("\(right)") }
let expected = [Float](repeating: Float(depth), count: rowBlocks * blockM * width)
guard Array(right.outcomes.keys) == [expected] else { fatalError("wrong rows") }
guard let failure = try explore(.relaxed(.gpu)).failure else { fatalError("a relaxed add was not noticed") }
print("all rows are home in \(right.interleavings.count) interleavings. With a relaxed add instead:\n\(failure)")
