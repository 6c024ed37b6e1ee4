import KernelLanguage

/// What every kernel is given that waits for ranks or sends to them, where ranks are masked.
package struct MaskParameters: KernelParameters {
    /// UInt64 `[ranks, WaitFault.words]`, of the rank: for each rank the record of the wait that masked it, word 0 of
    /// which is 0 while it is not masked; see `RankMasks`.
    package var masks: MemoryParameter<UInt64>
    /// UInt64 `[ranks]`: addresses of the ranks' beat words, as this rank reaches them.
    package var beats: MemoryParameter<UInt64>
    /// The rank that the kernel runs on.
    package var waitingRank: ScalarParameter<UInt32>

    /// The masks of `rank`, and where ranks show that they live.
    package init(masks: MemoryParameter<UInt64>, beats: MemoryParameter<UInt64>, rank: Int) {
        self.masks = masks
        self.beats = beats
        waitingRank = ScalarParameter(UInt32(rank))
    }
}

/// The ranks that a rank goes on without: those that it has waited for in vain, and those that its host has named.
///
/// Each rank has masks of its own and decides by itself. A wait for a rank masks it when its time has passed, all other
/// waits for that rank then end at once, and nothing is sent to it any more, all without the host.
///
/// So that nobody is masked for waiting on a dead rank, a kernel that waits for another rank shows that it lives: it
/// stores the device's clock to its rank's beat word from time to time. Who waits for that rank looks at the word
/// before its time is over, and begins anew if the word has changed. Only waits for other ranks beat: a wait for a
/// kernel of the own rank looks at the own beat, and would keep itself alive.
///
/// A kernel that masks a rank also tells it so. That rank, if it lives after all, then waits for the other no longer, as
/// nothing will come; else it might wait for one that waits for a third that waits for it, all of them alive.
package struct RankMasks {
    /// What word 0 of a masked rank's record says: who masked it.
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

    /// Declares the parameters where `window` has masks; nil where it has none: then kernels are as if there were no
    /// such thing.
    init?(_ k: KernelBuilder, _ window: RankWindow) {
        guard window.masks else { return nil }
        self.init(k)
    }

    /// Declares the parameters.
    init(_ k: KernelBuilder) {
        let parameters = k.parameters(MaskParameters.self)
        (words, beats, rank) = (parameters.masks, parameters.beats, parameters.waitingRank)
    }

    /// The record of the wait that masks `rank`.
    func record(of rank: Value<UInt32>) -> Pointer<UInt64> { words + rank * WaitFault.words }

    /// Whether the rank goes on without `rank`.
    func hasMasked(_ k: KernelBuilder, _ rank: Value<UInt32>) -> Condition {
        k.load(record(of: rank), order: .relaxed(.gpu)) != 0
    }

    /// The word in which this rank tells `rank` that it has masked it.
    func notice(_ k: KernelBuilder, to other: Value<UInt32>) -> Pointer<UInt64> { beat(k, of: other) + 1 + rank }

    /// Where others tell this rank that they have masked it: UInt64 `[ranks]`.
    func notices(_ k: KernelBuilder) -> Pointer<UInt64> { beat(k, of: rank) + 1 }

    /// The word in which `rank` shows that it lives.
    func beat(_ k: KernelBuilder, of rank: Value<UInt32>) -> Pointer<UInt64> { Pointer(bits: k.load(beats + rank) + 0) }
}
