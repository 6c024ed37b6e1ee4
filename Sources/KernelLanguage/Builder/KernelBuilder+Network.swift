/// A path to one peer through a network adapter: `NetworkRoute` in the kernel being built.
public struct NetworkPath {
    /// Context of the adapter's code on the device, as passed to the kernel; any value on the simulator.
    public let context: Value<UInt64>
    /// The rank on the other side.
    public let peer: Value<UInt32>
    /// 0 to `NetworkOperation.maximumChannels` - 1, and fewer where the adapter was set up with fewer. Channels have
    /// queues of their own; nothing else is promised of them.
    public let channel: Value<UInt32>

    /// The path to `peer` on a channel.
    public init(context: Value<UInt64>, peer: Value<UInt32>, channel: Value<UInt32>) {
        self.context = context
        self.peer = peer
        self.channel = channel
    }

    var route: NetworkRoute {
        NetworkRoute(context: context.operand, peer: peer.operand, channel: channel.operand)
    }
}

/// Operations of network adapters. Each active lane issues its own: elect one for a single operation, behind a barrier
/// if others have written its source. `NetworkOperation` says what they order, which is little.
extension KernelBuilder {
    /// Copies `bytes` to the peer, and then, with `signal`, adds to a word there.
    ///
    /// - Parameters:
    ///   - source: In own global memory, at a multiple of 16. Must not change until `networkFlush` has returned true.
    ///   - target: In the peer's memory as the adapter addresses it, at a multiple of 16. Visible to those alone who
    ///     acquire (system scope) a value of the signal's word that this put has added to.
    ///   - bytes: A multiple of 16, not 0.
    ///   - path: Peer and channel. Blocks while its queue is full.
    ///   - signal: A word of 8 bytes in the peer's memory that adapters alone change, and the value to add to it.
    ///   - file: Where the call is, for errors and race reports.
    ///   - line: Its line.
    public func networkPut<T: Scalar, U: Scalar>(
        _ source: Pointer<T>, to target: Pointer<U>, bytes: Value<UInt32>, over path: NetworkPath,
        adding signal: (value: Value<UInt64>, word: Pointer<UInt64>)? = nil, file: StaticString = #fileID,
        line: Int = #line
    ) {
        let signal = signal.map { NetworkSignal(.add, word: $0.word.address, value: $0.value.operand) }
        emit(
            .network(
                .put(
                    path.route, target: target.address, source: source.address, bytes: bytes.operand, signal: signal)),
            file, line)
    }

    /// Adds to a word of 8 bytes in the peer's memory that adapters alone change. Covers no put: only what the thread
    /// has done itself, or observed, is visible to those who acquire it.
    public func networkAdd(
        _ value: Value<UInt64>, to word: Pointer<UInt64>, over path: NetworkPath, file: StaticString = #fileID,
        line: Int = #line
    ) {
        emit(.network(.add(path.route, word: word.address, value: value.operand)), file, line)
    }

    /// Puts a word of 8 bytes into the peer's memory, where others see it whole. Two such puts to one place need an
    /// order that the peer has made, by an answer to the first.
    public func networkPut(
        word value: Value<UInt64>, to target: Pointer<UInt64>, over path: NetworkPath, file: StaticString = #fileID,
        line: Int = #line
    ) {
        emit(.network(.putWord(path.route, target: target.address, value: value.operand)), file, line)
    }

    /// Whether the sources of this rank's puts on the path may be overwritten: of all puts whose issue the thread has
    /// observed, those of earlier kernels included. Waits for a bounded time: call it in a loop with a deadline. Says
    /// nothing about what the peer sees. False for ever if the peer is dead and had puts in flight.
    public func networkFlush(
        _ path: NetworkPath, file: StaticString = #fileID, line: Int = #line
    ) -> Condition {
        at(file, line)
        return emitting(Bool.self) { .network(.flush($0, path.route)) }
    }
}
