import KernelLanguage

/// Further parameters of every kernel that waits for ranks or sends to them, where ranks are masked.
package struct MaskParameters: KernelParameters {
    /// UInt64 `[ranks, WaitFault.words]`, of the rank: for each rank the record of the wait that masked it, word 0 of
    /// which is 0 while it is not masked; see `RankMasks`.
    package var masks: MemoryParameter<UInt64>
    /// UInt64 `[ranks]`: addresses of the ranks' beat words, as this rank reaches them.
    package var beats: MemoryParameter<UInt64>
    /// The rank that the kernel runs on.
    package var waitingRank: ScalarParameter<UInt32>

    /// The masks of `rank`, and the ranks' beat words.
    package init(masks: MemoryParameter<UInt64>, beats: MemoryParameter<UInt64>, rank: Int) {
        self.masks = masks
        self.beats = beats
        waitingRank = ScalarParameter(UInt32(rank))
    }
}

/// The ranks that a rank goes on without: those that it has waited for in vain, and those that its host has named.
///
/// Each rank has masks of its own and decides by itself. A wait for a rank masks it when its time is over. All other
/// waits for that rank then end at once, and nothing is sent to it any more, all without the host.
///
/// So that nobody is masked for waiting on a dead rank, a kernel that waits for another rank shows that it is alive: it
/// stores the device's clock to its rank's beat word from time to time. Whoever waits for that rank reads the word
/// before its time is over, and starts again if the word has changed. Only waits for other ranks beat: a wait for a
/// kernel of the own rank looks at the own beat, and would keep itself alive.
///
/// A kernel that masks a rank also tells it so. That rank, if it is alive after all, then no longer waits for the
/// other, as nothing will come; else ranks that are all alive might wait for each other in a circle.
package struct RankMasks {
    /// The origin of a mask, word 0 of a masked rank's record.
    package enum Origin: UInt64, Sendable {
        /// A kernel whose wait was over; the other words say what it waited for.
        case kernel = 1
        /// The host; the other words say nothing.
        case host
    }

    private let words: Pointer<UInt64>
    private let beats: Pointer<UInt64>
    /// The rank that the kernel runs on.
    let rank: Value<UInt32>
    /// Ranks that a network reaches; nil where there are none, or the kernel does not reach ranks.
    let network: NetworkPeers?

    /// Declares the parameters where `window` has masks; nil where it has none, and kernels then have no code for
    /// them.
    init?(_ k: KernelBuilder, _ window: RankWindow) {
        guard window.masks else { return nil }
        self.init(k, reaching: window)
    }

    /// Declares the parameters.
    ///
    /// - Parameter window: nil for a kernel that waits for no other rank and sends to none.
    init(_ k: KernelBuilder, reaching window: RankWindow? = nil) {
        let parameters = k.parameters(MaskParameters.self)
        (words, beats, rank) = (parameters.masks, parameters.beats, parameters.waitingRank)
        let rank = rank
        network = window.flatMap { NetworkPeers(k, $0, rank: rank) }
    }

    /// The record of the wait that masks `rank`.
    func record(of rank: Value<UInt32>) -> Pointer<UInt64> { words + rank * WaitFault.words }

    /// Whether the rank goes on without `rank`.
    func hasMasked(_ k: KernelBuilder, _ rank: Value<UInt32>) -> Condition {
        k.load(record(of: rank), order: .relaxed(.gpu)) != 0
    }

    /// Tells another rank that this one has masked it.
    func tell(_ k: KernelBuilder, _ other: Value<UInt32>) {
        let store = { k.store(1, to: beat(k, of: other) + 1 + rank, order: .relaxed(.system)) }
        guard let network else { return store() }
        k.if(network.reaches(k, other)) {
            network.tell(k, other)
        } else: {
            store()
        }
    }

    /// Shows other ranks that this one is alive; those that a network reaches, at most 32 times within
    /// `limit`.
    func showLife(_ k: KernelBuilder, at now: Value<UInt64>, limit: Value<UInt64>) {
        let own = beat(k, of: rank)
        guard let network else { return k.store(now, to: own, order: .relaxed(.system)) }
        // Of all lanes that wait, one at a time: an add to a rank that is lost stays in the queue.
        let last = k.load(own, order: .relaxed(.system))
        k.if(now - last >= limit >> 5) {
            let before = k.atomicCompareAndSwap(own, expected: last, value: now, order: .relaxed(.system))
            k.if(before == last) { network.showLife(k, self) }
        }
    }

    /// Where others tell this rank that they have masked it: UInt64 `[ranks]`.
    func notices(_ k: KernelBuilder) -> Pointer<UInt64> { beat(k, of: rank) + 1 }

    /// The beat word of `rank`; one in the own window if a network reaches that rank.
    func beat(_ k: KernelBuilder, of rank: Value<UInt32>) -> Pointer<UInt64> { Pointer(bits: k.load(beats + rank) + 0) }
}
