import KernelLanguage

/// How a stream kernel moves memory.
package enum StreamDirection: String, CaseIterable, Hashable, Sendable {
    /// Loads it into shared memory.
    case read
    /// Loads it into shared memory and stores it elsewhere, all of it or one chunk of several.
    case copy
}

/// Bytes that a stream kernel moves at a time.
package let streamChunkBytes = 32 * 1024

/// Moves memory as fast as the device can and computes nothing: the floor of every kernel that has to read as much.
///
/// One thread of each thread block keeps a ring of bulk copies in flight; thread blocks take chunks of
/// `streamChunkBytes` in turn.
///
/// - In: `source`, aligned to 16 bytes; `chunks` UInt32, of `streamChunkBytes` each.
/// - In, `.copy` only: `every` UInt32; one chunk in `every` is stored, as many by each thread block, see
///   `storedChunks`.
/// - Out: `.copy` only: `destination`, aligned to 16 bytes, of `⌈⌈chunks / gridSize⌉ / every⌉ * gridSize` chunks.
package func streamKernel(_ direction: StreamDirection) throws(VerificationError) -> Kernel {
    let stages = 6
    return try KernelBuilder.build("stream_\(direction.rawValue)", threads: 32) { k in
        let source = k.pointerParameter("source", to: UInt32.self)
        let destination = direction == .copy ? k.pointerParameter("destination", to: UInt32.self) : nil
        let chunks = k.parameter("chunks", UInt32.self)
        let every = direction == .copy ? k.parameter("every", UInt32.self) : nil
        let words = streamChunkBytes / 4
        let ring = k.shared(UInt32.self, count: stages * words, alignment: 128)
        let full = k.memoryBarriers(count: stages)

        func load(_ number: Value<UInt32>) {
            let chunk = number * k.gridSize + k.blockIndex
            let stage = number % stages
            let barrier = MemoryBarrier(full + stage)
            k.arrive(barrier, expecting: streamChunkBytes)
            k.bulkLoad(
                source + chunk.multipliedWide(by: words), to: ring + stage * words,
                bytes: streamChunkBytes, barrier: barrier)
        }

        k.if(k.isFirstThread) {
            for stage in 0..<stages { k.initialise(MemoryBarrier(full + stage), arrivals: 1) }
            k.proxyFence(.barrierInit)
            // Chunks of this thread block: its index, and every `gridSize`-th after it.
            let own = (chunks + k.gridSize - k.blockIndex - 1) / k.gridSize
            k.for(to: own.minimum(stages)) { load($0) }
            // Chunks are numbered one thread block after the other here, so that none stores more than
            // others.
            let before = k.blockIndex * ((chunks + k.gridSize - 1) / k.gridSize)
            k.for(to: own) { number in
                let stage = number % stages
                k.wait(MemoryBarrier(full + stage), parity: (number / stages) & 1)
                guard let destination, let every else {
                    k.if(number + stages < own) { load(number + stages) }
                    return
                }
                let stored = (before + number) / every
                k.if(stored * every == before + number) {
                    let ofBlock = stored - (before + every - 1) / every
                    k.bulkStore(
                        ring + stage * words,
                        to: destination + (ofBlock * k.gridSize + k.blockIndex).multipliedWide(by: words),
                        bytes: streamChunkBytes)
                }
                k.bulkStoreCommit()
                // The stage before this one is refilled once its store, the last but one, has read it.
                k.bulkStoreWait(.sourceRead, pending: 1)
                k.if(number > 0 && number + (stages - 1) < own) { load(number + (stages - 1)) }
            }
            k.bulkStoreWait(.sourceRead)
        }
    }
}

/// Which chunk of the source each chunk of a stream copy's destination holds; nil where nothing is stored.
package func storedChunks(of chunks: Int, every: Int, gridSize: Int) -> [Int?] {
    let most = (chunks + gridSize - 1) / gridSize
    var stored = [Int?](repeating: nil, count: (most + every - 1) / every * gridSize)
    for block in 0..<gridSize {
        let own = stride(from: block, to: chunks, by: gridSize).enumerated()
            .filter { (block * most + $0.offset) % every == 0 }
        for (index, chunk) in own.enumerated() { stored[index * gridSize + block] = chunk.element }
    }
    return stored
}
