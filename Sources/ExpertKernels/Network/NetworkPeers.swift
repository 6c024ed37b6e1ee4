import KernelLanguage

/// Further parameters of kernels that reach other ranks, where a network adapter reaches some of them.
package struct NetworkParameters: KernelParameters {
    /// UInt64: context of the adapter's code on the device; any value where it needs none.
    package var networkContext: ScalarParameter<UInt64>
    /// UInt64 `[ranks]`: addresses of the ranks' windows as the adapter uses them; 0 for ranks that this one reaches by
    /// loads and stores, itself among them.
    package var networkWindows: MemoryParameter<UInt64>
    /// UInt64 `[ranks]`: likewise, of the windows that hold the ranks' beats.
    package var networkBeats: MemoryParameter<UInt64>
    /// UInt32 `[2, maxTokens, networkPacketBytes / 4]`, even and odd steps: staged packets of own tokens, the sources
    /// of puts.
    package var staging: MemoryParameter<UInt32>
    /// UInt64 `[ranks, rankExperts]`: the value of `RankWindow.landedRows` when all rows whose number is known have
    /// landed.
    package var expectedRows: MemoryParameter<UInt64>
    /// UInt64 `[ranks, maxTokens, tokenRows]`: value of `RankWindow.landedResults` when the row was last added up.
    package var expectedResults: MemoryParameter<UInt64>

    /// Parameters as given.
    package init(
        context: UInt64, windows: MemoryParameter<UInt64>, beats: MemoryParameter<UInt64>,
        staging: MemoryParameter<UInt32>,
        expectedRows: MemoryParameter<UInt64>, expectedResults: MemoryParameter<UInt64>
    ) {
        networkContext = ScalarParameter(context)
        networkWindows = windows
        networkBeats = beats
        self.staging = staging
        self.expectedRows = expectedRows
        self.expectedResults = expectedResults
    }
}

/// The ranks that a rank reaches by a network adapter, and its own state about them (`docs/network.md`).
///
/// Rows are put with an add to a counter of 64 bits that only grows: one for each source and expert for dispatched
/// rows, and one for each home row for combined ones. An add covers its own put alone, so a receiver relies on rows
/// only when all that it expects by then have been counted. The values that it expects are in memory of its own, to
/// which nobody else writes.
struct NetworkPeers {
    /// Number of channels; a peer's channel is its number modulo this. No order within a channel is relied on. With a
    /// channel by peer and not by row, one flush covers a peer.
    static let channels = 8

    let adapter: NetworkAdapter
    let window: RankWindow
    /// The rank that the kernel runs on.
    let rank: Value<UInt32>
    private let context: Value<UInt64>
    private let windows: Pointer<UInt64>
    private let beats: Pointer<UInt64>
    private let staging: Pointer<UInt32>
    private let expectedRows: Pointer<UInt64>
    private let expectedResults: Pointer<UInt64>
    /// The modelled card that all messages go through; nil where none is modelled.
    private let card: NetworkCard?

    /// Declares the parameters where `window` has a network; nil where it has none, and kernels then have no code for
    /// it.
    init?(_ k: KernelBuilder, _ window: RankWindow, rank: Value<UInt32>) {
        guard let adapter = window.network else { return nil }
        let parameters = k.parameters(NetworkParameters.self)
        (self.adapter, self.window, self.rank) = (adapter, window, rank)
        context = parameters.networkContext
        windows = parameters.networkWindows
        beats = parameters.networkBeats
        staging = parameters.staging
        expectedRows = parameters.expectedRows
        expectedResults = parameters.expectedResults
        card = NetworkCard(k, window)
    }

    // MARK: Paths

    /// The window of `peer` as the adapter addresses it; 0 if it is reached by loads and stores.
    func window(_ k: KernelBuilder, of peer: Value<UInt32>) -> Value<UInt64> { k.load(windows + peer) }

    /// Whether the network reaches `peer`.
    func reaches(_ k: KernelBuilder, _ peer: Value<UInt32>) -> Condition { window(k, of: peer) != 0 }

    /// The path to `peer`.
    func path(to peer: Value<UInt32>) -> NetworkPath {
        NetworkPath(context: context, peer: peer, channel: peer % Self.channels)
    }

    // MARK: Messages

    /// Puts `bytes` to the memory of `peer`, with one added to `word` there. See `NetworkAdapter.put`.
    func put<T: Scalar, U: Scalar>(
        _ k: KernelBuilder, _ source: Pointer<T>, to target: Pointer<U>, bytes: Int, of peer: Value<UInt32>,
        counting kind: NetworkWord, at word: @autoclosure () -> Pointer<UInt64>
    ) {
        let (size, path, one) = (k.constant(UInt32(bytes)), path(to: peer), k.constant(UInt64(1)))
        let word = word()
        if let card { k.if(k.isFirstLane) { card.send(k, bytes: bytes, kind, at: word) } }
        adapter.put(k, source, to: target, bytes: size, over: path, adding: (one, word))
    }

    /// Puts a row count to the memory of `peer`. Each active lane does so for itself.
    func put(
        _ k: KernelBuilder, rowCount value: Value<UInt64>, to word: Pointer<UInt64>, of peer: Value<UInt32>
    ) {
        let path = path(to: peer)
        card?.send(k, bytes: 8, .rowCount, at: word)
        adapter.put(k, word: value, to: word, over: path)
    }

    /// Issues a message that the calling thread itself sends to the modelled card, if there is one.
    func pace(_ k: KernelBuilder, bytes: Int, _ kind: NetworkWord, at word: @autoclosure () -> Pointer<UInt64>) {
        card?.send(k, bytes: bytes, kind, at: word())
    }

    /// With a modelled card: waits until what `word` announces has arrived. See `NetworkCard.awaitArrival`.
    ///
    /// - Returns: nil without a modelled card.
    func awaitArrival(
        _ k: KernelBuilder, _ watchdog: Watchdog, after wait: Watchdog.Wait, for subject: Watchdog.Subject,
        _ kind: NetworkWord, at word: Pointer<UInt64>, from source: Value<UInt32>, timed: Bool
    ) -> Watchdog.Wait? {
        card?.awaitArrival(k, watchdog, after: wait, for: subject, kind, at: word, from: source, timed: timed)
    }

    // MARK: Own memory

    /// The staged packet of an own token in the step under way.
    func packet(_ step: Value<UInt32>, token: Value<UInt32>) -> Pointer<UInt32> {
        let place = (step & 1).multiply(window.shape.maxTokens, add: token)
        return staging + place.multipliedWide(by: window.networkPacketBytes / 4)
    }

    /// The word for the value that the counter of rows of `source` for a local expert has to reach.
    func expectedRows(source: Value<UInt32>, local: Value<UInt32>) -> Pointer<UInt64> {
        expectedRows + source.multiply(window.shape.rankExperts, add: local)
    }

    /// The word for the last value of the counter of a home row, numbered as in `RankWindow.combineRows`.
    func expectedResults(_ slot: Value<UInt32>) -> Pointer<UInt64> { expectedResults + slot }

    // MARK: Signs of life

    /// The beat word of `peer`, as the adapter addresses it.
    private func beat(_ k: KernelBuilder, of peer: Value<UInt32>) -> Pointer<UInt64> {
        window.beat.pointer(at: k.load(beats + peer))
    }

    /// Tells `peer` that this rank has masked it: by an add, since several lanes may do so, and puts need an order.
    func tell(_ k: KernelBuilder, _ peer: Value<UInt32>) {
        adapter.add(k, k.constant(1), to: beat(k, of: peer) + 1 + rank, over: path(to: peer))
    }

    /// Adds to this rank's count of beats at each rank that the network reaches and that is not masked.
    func showLife(_ k: KernelBuilder, _ masks: RankMasks) {
        k.for(to: window.shape.ranks) { peer in
            k.if(reaches(k, peer)) {
                k.if(!masks.hasMasked(k, peer)) {
                    let word = beat(k, of: peer) + (1 + window.shape.ranks) + rank
                    adapter.add(k, k.constant(UInt64(1)), to: word, over: path(to: peer))
                }
            }
        }
    }

    /// Waits until the sources of puts of earlier steps may change, with a lane for each rank. One warp calls it.
    ///
    /// Kernels of the step that overwrite what the step before put run after the kernel that calls it. A masked rank is
    /// polled once: what is still being sent to it may then be of later steps, and it must use nothing of it.
    func flush(_ k: KernelBuilder, _ watchdog: Watchdog) {
        // A loopback put has read its source when it returns.
        if adapter == .loopback { return }
        k.lanesOverRanks(window.shape.ranks) { peer in
            let peer = peer()
            k.if(peer < window.shape.ranks) {
                k.if(reaches(k, peer)) {
                    let nothing = k.constant(UInt32(0))
                    let subject = Watchdog.Subject(
                        kind: .flush, expert: nothing, place: nothing, expected: k.constant(UInt64(1)))
                    _ = watchdog.wait(k, for: subject, from: peer) {
                        .init(adapter.isFlushed(k, path(to: peer)), seen: k.constant(UInt64(0)), source: { peer })
                    }
                }
            }
        }
    }
}
