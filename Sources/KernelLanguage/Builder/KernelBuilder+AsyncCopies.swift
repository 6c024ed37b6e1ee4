extension KernelBuilder {
    /// Copies `bytes` from global to shared memory; completes on `barrier`. Addresses and size are multiples of 16.
    public func bulkLoad<T: Scalar, U: Scalar>(
        _ source: Pointer<T>, to destination: SharedPointer<U>, bytes: Value<UInt32>, barrier: MemoryBarrier,
        cache: CacheHint = .normal, file: StaticString = #fileID, line: Int = #line
    ) {
        emit(
            .bulkLoad(
                shared: destination.address, global: source.address, bytes: bytes.operand,
                mbarrier: barrier.pointer.address, cache: cache), file, line)
    }

    /// Copies `bytes` from shared to global memory, in the thread's current bulk group; alignment as for `bulkLoad`.
    public func bulkStore<T: Scalar, U: Scalar>(
        _ source: SharedPointer<T>, to destination: Pointer<U>, bytes: Value<UInt32>, file: StaticString = #fileID,
        line: Int = #line
    ) {
        emit(
            .bulkStore(global: destination.address, shared: source.address, bytes: bytes.operand), file, line)
    }

    /// Prefetches `bytes` of global memory into the L2. Address and size are multiples of 16.
    public func bulkPrefetch<T: Scalar>(
        _ source: Pointer<T>, bytes: Value<UInt32>, file: StaticString = #fileID, line: Int = #line
    ) {
        emit(.bulkPrefetch(global: source.address, bytes: bytes.operand), file, line)
    }

    /// Copies the box at `coordinates` (innermost first) into shared memory, to a multiple of 128; completes on
    /// `barrier` with the box's bytes.
    public func tensorLoad<T: Scalar>(
        _ map: TensorMapParameter, at coordinates: [Value<UInt32>], to destination: SharedPointer<T>,
        barrier: MemoryBarrier, cache: CacheHint = .normal, file: StaticString = #fileID, line: Int = #line
    ) {
        let signed = coordinates.map(\.signed.operand)
        emit(
            .tensorLoad(
                shared: destination.address, map: map.number, coordinates: signed, mbarrier: barrier.pointer.address,
                cache: cache), file, line)
    }

    /// Copies a box from shared memory to `coordinates` (innermost first), in the thread's current bulk group.
    public func tensorStore<T: Scalar>(
        _ source: SharedPointer<T>, to map: TensorMapParameter, at coordinates: [Value<UInt32>],
        file: StaticString = #fileID, line: Int = #line
    ) {
        let signed = coordinates.map(\.signed.operand)
        emit(.tensorStore(map: map.number, coordinates: signed, shared: source.address), file, line)
    }

    /// Prefetches a tensor map's descriptor ahead of its first use.
    public func prefetch(_ map: TensorMapParameter, file: StaticString = #fileID, line: Int = #line) {
        emit(.tensorPrefetch(map: map.number), file, line)
    }

    /// Commits the thread's current group of bulk stores.
    public func bulkStoreCommit(file: StaticString = #fileID, line: Int = #line) { emit(.bulkCommit, file, line) }

    /// The progress of a bulk store that a wait is for.
    public enum BulkStoreProgress: Sendable {
        /// Its source in shared memory has been read and may be overwritten. Nothing is promised about global memory.
        case sourceRead
        /// It has been performed: its writes are visible to the waiting thread.
        case completed
    }

    /// Waits until at most `pending` of the thread's groups of bulk stores have yet to reach `progress`.
    public func bulkStoreWait(
        _ progress: BulkStoreProgress, pending: Int = 0, file: StaticString = #fileID, line: Int = #line
    ) {
        emit(.bulkWait(pending: pending, reading: progress == .sourceRead), file, line)
    }
}
