import KernelLanguage

/// Tells other kernels what the multiplying warps have stored, at no cost to those warps.
///
/// A warp gives its first stage of a piece back only after it has stored its sums of the piece before. So when the loading
/// thread finds that stage empty, all the stores happened before, and its one add with release at GPU scope publishes
/// them: mbarrier arrivals and waits order them for this thread, and release is cumulative.
struct StoredTiles {
    private let configuration: GEMMConfiguration
    private let signals: BlockSignals
    /// Where finished tiles go to be announced at their rows' home.
    private let home: HomeTiles?
    /// Completes when the multiplying warps have stored their last piece.
    private let finished: MemoryBarrier
    /// Address of the word to add one to for the piece before, or 0; nil without signals.
    private let pending: Variable<UInt64>?

    init(
        _ k: KernelBuilder, _ configuration: GEMMConfiguration, signals: BlockSignals, home: HomeTiles?
    ) {
        self.configuration = configuration
        self.home = home
        self.signals = signals
        finished = MemoryBarrier(k.memoryBarriers(count: 1))
        pending = configuration.signals ? k.variable(k.constant(UInt64(0))) : nil
    }

    /// Whether anyone is to be told.
    var announces: Bool { pending != nil || home != nil }

    /// Initialises the mbarrier; one thread calls it.
    func initialise(_ k: KernelBuilder) { k.initialise(finished, arrivals: configuration.multiplyingWarps) }

    /// A multiplying warp has stored its last piece.
    func finish(_ k: KernelBuilder) {
        k.syncWarp()  // every lane has stored
        k.if(k.isFirstLane) { k.arrive(finished) }
    }

    /// Loading thread: the piece that is to be announced once it is stored.
    func expect(_ k: KernelBuilder, _ piece: TileSchedule.Piece) {
        let tile = piece.tile
        let isDropped = configuration.droppedSignal.map {
            tile.expert == $0.expert && tile.block == $0.block && tile.column == 0
        }
        // Of the head of a tile only the block that has the tail is to know (`SplitSums`).
        let isLeftOut = [piece.cut?.isHead, isDropped].compactMap { $0 }.reduce(k.constant(false)) { $0 || $1 }
        if let pending {
            let word = signals.signal(expert: tile.expert, block: tile.block).bits
            pending.value = isLeftOut.select(k.constant(UInt64(0)), word)
        }
        if let home { k.if(!isLeftOut) { home.expect(k, tile) } }
    }

    /// Loading thread, which knows that the piece has been stored: adds one to its signal.
    func announce(_ k: KernelBuilder) {
        home?.hand(k)
        if let pending {
            k.if(pending.value != 0) {
                k.atomicAdd(Pointer<UInt32>(bits: pending.value), 1, order: .release, scope: .gpu)
                pending.value = k.constant(UInt64(0))
            }
        }
    }

    /// Loading thread, after its last piece.
    func announceLast(_ k: KernelBuilder) {
        guard announces else { return }
        let isWaiting = [pending.map { $0.value != 0 }, home?.isExpecting(k)].compactMap { $0 }
        k.if(isWaiting.reduce(k.constant(false)) { $0 || $1 }) {
            k.wait(finished, parity: k.constant(UInt32(0)))
            announce(k)
        }
        home?.end(k)
    }
}
