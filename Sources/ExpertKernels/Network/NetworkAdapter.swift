import KernelLanguage

/// How a kernel reaches ranks that it cannot load from and store to: one interface, for which kernels are written once.
///
/// Put, add, put of a word and flush promise what `NetworkOperation` says and no more, whichever the adapter. Receivers
/// wait in the same way everywhere: they poll a word of 64 bits, with acquire at system scope, until it is at least the
/// value that they expect.
public enum NetworkAdapter: String, CaseIterable, Hashable, Sendable {
    /// Loads and stores of this kernel, on memory of the peers that is mapped here. For tests and measurements of the
    /// network's whole path on one GPU or one node. Needs nothing but `NetworkPath.peer`'s memory.
    case loopback
    /// Operations of a network engine, which works asynchronously.
    case engine

    /// Copies `bytes` to the peer, and then, with `signal`, adds to a word there.
    ///
    /// All lanes of a warp call it together, with the same values. Stores of other warps to the source must be ordered
    /// before the call; those of this warp's lanes need not be. The source must stay as it is until `isFlushed` has
    /// said that it may change.
    ///
    /// - Parameters:
    ///   - source: In own memory, at a multiple of 16.
    ///   - target: In the peer's memory as the adapter addresses it, at a multiple of 16.
    ///   - bytes: A multiple of 16, not 0.
    ///   - path: Peer and channel. An engine blocks while its queue there is full.
    ///   - signal: A word of 8 bytes in the peer's memory that adapters alone change, and the value to add to it.
    ///     Whoever acquires the sum sees this put's bytes, and no other put's.
    package func put<T: Scalar, U: Scalar>(
        _ k: KernelBuilder, _ source: Pointer<T>, to target: Pointer<U>, bytes: Value<UInt32>, over path: NetworkPath,
        adding signal: (value: Value<UInt64>, word: Pointer<UInt64>)? = nil
    ) {
        switch self {
        case .loopback:
            copy(k, source.cast(to: UInt32.self), to: target.cast(to: UInt32.self), bytes: bytes)
            k.syncWarp()
            if let signal {
                k.if(k.isFirstLane) { k.atomicAdd(signal.word, signal.value, order: .release(.system)) }
            }
        case .engine:
            k.syncWarp()
            k.if(k.isFirstLane) { k.networkPut(source, to: target, bytes: bytes, over: path, adding: signal) }
        }
    }

    /// Adds to a word of 8 bytes in the peer's memory that adapters alone change. Each active lane adds for itself.
    /// Whoever acquires the sum sees what the thread has done and observed, but no put's bytes.
    package func add(_ k: KernelBuilder, _ value: Value<UInt64>, to word: Pointer<UInt64>, over path: NetworkPath) {
        switch self {
        case .loopback: k.atomicAdd(word, value, order: .release(.system))
        case .engine: k.networkAdd(value, to: word, over: path)
        }
    }

    /// Puts a word of 8 bytes, which others see whole. Each active lane does so for itself. Two puts to one place need
    /// an order that the peer has made.
    package func put(
        _ k: KernelBuilder, word value: Value<UInt64>, to target: Pointer<UInt64>, over path: NetworkPath
    ) {
        switch self {
        case .loopback: k.store(value, to: target, order: .release(.system))
        case .engine: k.networkPut(word: value, to: target, over: path)
        }
    }

    /// Whether the sources of this rank's puts on the path may be overwritten, of all whose issue the thread has
    /// observed. Each active lane asks for itself; call it in a loop with a deadline, and let others know by a barrier.
    /// Says nothing about the peer's memory.
    package func isFlushed(_ k: KernelBuilder, _ path: NetworkPath) -> Condition {
        switch self {
        // A put has read its source when it returns.
        case .loopback: k.constant(true)
        case .engine: k.networkFlush(path)
        }
    }

    /// Copies 16 bytes a lane at a time, with up to four loads of each lane in flight.
    private func copy(
        _ k: KernelBuilder, _ source: Pointer<UInt32>, to target: Pointer<UInt32>, bytes: Value<UInt32>
    ) {
        func copy(parts: [Value<UInt32>]) {
            let loaded = parts.map { k.loadVector(source + $0 * 4, count: 4) }
            for (part, words) in zip(parts, loaded) { k.storeVector(words, to: target + part * 4) }
        }
        // Lanes read what other lanes have written.
        k.syncWarp()
        let atOnce = 4
        let parts = bytes >> 4
        let rest = parts / (32 * atOnce) * (32 * atOnce)
        k.for(from: k.lane, to: rest, by: 32 * atOnce) { part in
            copy(parts: (0..<atOnce).map { part + 32 * $0 })
        }
        k.for(from: rest + k.lane, to: parts, by: 32) { copy(parts: [$0]) }
    }
}
