import KernelLanguage
import Simulator

extension KnownFault {
    /// A warp refills a stage in shared memory by a bulk copy for another that reads it. With the fault the
    /// other gives the stage back before it has read.
    static let refilledStaging = KnownFault(
        description: "a staging buffer refilled by a bulk copy before its readers are done", budget: 5,
        finding: .race, expected: (0..<96).map { 1_000 + $0 }
    ) { machine, isPlanted in
        let (rows, words) = (3, 32)
        let kernel = try KernelBuilder.build("staging", threads: 64) { k in
            let source = k.pointerParameter("source", to: UInt32.self)
            let output = k.pointerParameter("output", to: UInt32.self)
            let stage = k.shared(UInt32.self, count: words, alignment: 128)
            let barriers = k.memoryBarriers(count: 2)
            let (filled, emptied) = (MemoryBarrier(barriers), MemoryBarrier(barriers + 1))
            k.if(k.isFirstThread) {
                k.initialise(filled, arrivals: 1)
                k.initialise(emptied, arrivals: 1)
                k.proxyFence(.barrierInit)
            }
            k.syncThreads()
            k.if(k.threadIndex < 32) {
                k.if(k.isFirstLane) {
                    k.for(to: rows) { row in
                        k.if(row > 0) { k.wait(emptied, parity: (row - 1) & 1) }
                        k.arrive(filled, expecting: words * 4)
                        k.bulkLoad(
                            source + row * words, to: stage, bytes: k.constant(UInt32(words * 4)), barrier: filled)
                    }
                }
            } else: {
                k.for(to: rows) { row in
                    k.wait(filled, parity: row & 1)
                    if isPlanted { k.if(k.isFirstLane) { k.arrive(emptied) } }
                    k.store(k.load(stage + k.lane), to: output + row.multiply(words, add: k.lane))
                    k.syncWarp()
                    if !isPlanted { k.if(k.isFirstLane) { k.arrive(emptied) } }
                }
            }
        }
        let source = try machine.allocate((0..<UInt32(rows * words)).map { 1_000 + $0 }, label: "rows")
        let output = try machine.allocate([UInt32](repeating: 0, count: rows * words), label: "output")
        try machine.run([kernel], [.address(source), .address(output)])
        return try machine.read(UInt32.self, count: rows * words, from: output)
    }
}
