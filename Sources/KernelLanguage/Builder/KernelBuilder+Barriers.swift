/// A named barrier of the block. Number 0 is the one of `syncThreads`.
public struct NamedBarrier: Hashable, Sendable {
    /// 0 to 15.
    public let number: Int

    /// Barrier `number`, 0 to 15.
    public init(_ number: Int) { self.number = number }
}

/// An mbarrier in shared memory.
public struct MemoryBarrier {
    /// Its address, a multiple of 8.
    public let pointer: SharedPointer<UInt64>

    /// The mbarrier at `pointer`.
    public init(_ pointer: SharedPointer<UInt64>) { self.pointer = pointer }
}

extension KernelBuilder {
    /// Barrier of all threads of the block; orders their shared and global accesses among each other.
    public func syncThreads(file: StaticString = #fileID, line: Int = #line) {
        emit(.barrier(.sync, id: .constant(0), threads: nil), file, line)
    }

    /// Waits at a named barrier until `threads` threads, a multiple of 32, have arrived.
    public func barrier(_ barrier: NamedBarrier, threads: Int, file: StaticString = #fileID, line: Int = #line) {
        emit(.barrier(.sync, id: .constant(UInt64(barrier.number)), threads: threads), file, line)
    }

    /// Waits at the named barrier that is `offset` after `first` until `threads` threads have arrived. The warp's lanes
    /// agree on it.
    public func barrier(
        _ first: NamedBarrier, plus offset: Value<UInt32>, threads: Int, file: StaticString = #fileID, line: Int = #line
    ) {
        let number = offset + first.number
        emit(.barrier(.sync, id: number.operand, threads: threads), file, line)
    }

    /// Arrives at a named barrier of `threads` threads, a multiple of 32, without waiting.
    public func barrierArrive(_ barrier: NamedBarrier, threads: Int, file: StaticString = #fileID, line: Int = #line) {
        emit(.barrier(.arrive, id: .constant(UInt64(barrier.number)), threads: threads), file, line)
    }

    /// Arrives at, or waits for, the barrier of the cluster.
    public func clusterBarrier(_ action: ClusterBarrierAction, file: StaticString = #fileID, line: Int = #line) {
        emit(.clusterBarrier(action), file, line)
    }

    /// Room for `count` mbarriers in shared memory.
    public func memoryBarriers(count: Int) -> SharedPointer<UInt64> { shared(UInt64.self, count: count, alignment: 8) }

    /// Initialises an mbarrier whose phases complete after `arrivals` arrivals, 1 to 1,048,575.
    public func initialise(
        _ barrier: MemoryBarrier, arrivals: Int, file: StaticString = #fileID, line: Int = #line
    ) {
        emit(.mbarrierInit(barrier.pointer.address, arrivals: .constant(UInt64(arrivals))), file, line)
    }

    /// Arrives once.
    public func arrive(_ barrier: MemoryBarrier, file: StaticString = #fileID, line: Int = #line) {
        emit(.mbarrierArrive(barrier.pointer.address, expecting: nil), file, line)
    }

    /// Arrives once; the phase also waits for `bytes` of asynchronous copies.
    public func arrive(
        _ barrier: MemoryBarrier, expecting bytes: Value<UInt32>, file: StaticString = #fileID, line: Int = #line
    ) {
        emit(.mbarrierArrive(barrier.pointer.address, expecting: bytes.operand), file, line)
    }

    /// Arrives once; the phase also waits for `bytes` of asynchronous copies.
    public func arrive(
        _ barrier: MemoryBarrier, expecting bytes: Int, file: StaticString = #fileID, line: Int = #line
    ) {
        arrive(barrier, expecting: constant(UInt32(bytes)), file: file, line: line)
    }

    /// Whether the phase with this parity (0 for the first) has completed; may suspend for a bounded time.
    public func tryWait(
        _ barrier: MemoryBarrier, parity: Value<UInt32>, file: StaticString = #fileID, line: Int = #line
    ) -> Condition {
        at(file, line)
        return emitting(Bool.self) { .mbarrierTryWait($0, barrier.pointer.address, parity: parity.operand) }
    }

    /// Waits until the phase with this parity (0 for the first) has completed.
    public func wait(
        _ barrier: MemoryBarrier, parity: Value<UInt32>, file: StaticString = #fileID, line: Int = #line
    ) {
        loop(file: file, line: line) {
            breakIf(tryWait(barrier, parity: parity, file: file, line: line), file: file, line: line)
        }
    }
}
