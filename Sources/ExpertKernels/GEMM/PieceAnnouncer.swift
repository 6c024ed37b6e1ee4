import KernelLanguage

/// Tells others of the pieces that the multiplying warps of a block have stored. A warp of its own does it: a release waits for the
/// stores and, while loads are on their way, 1 to 2 µs, which neither the loading thread nor a multiplying warp is to lose.
///
/// Of the head of a tile that is cut the block is told that has the tail. Other pieces finish a tile: they count towards the signal of
/// the tile's block of rows, and where rows have been stored at their homes, the last of a block announces them there.
struct PieceAnnouncer {
    private let configuration: GEMMConfiguration
    private let signals: BlockSignals
    private let split: SplitSums
    private let arrivals: PieceArrivals?
    private let home: HomeRows?
    /// UInt32 `[multiplyingWarps]`: pieces of which each warp has stored its part.
    private let stored: SharedPointer<UInt32>
    /// UInt32: pieces that the announcing warp knows to be stored.
    private let taken: SharedPointer<UInt32>

    init(
        _ k: KernelBuilder, _ configuration: GEMMConfiguration, signals: BlockSignals, split: SplitSums,
        arrivals: PieceArrivals?, home: HomeRows?
    ) {
        self.configuration = configuration
        self.signals = signals
        self.split = split
        self.arrivals = arrivals
        self.home = home
        stored = k.shared(UInt32.self, count: configuration.multiplyingWarps)
        taken = k.shared(UInt32.self, count: 1)
    }

    /// One thread calls it, and the block meets at a barrier afterwards.
    func initialise(_ k: KernelBuilder) {
        for warp in 0..<configuration.multiplyingWarps { k.store(k.constant(UInt32(0)), to: stored + warp) }
        k.store(k.constant(UInt32(0)), to: taken)
    }

    /// A multiplying warp has stored its part of the piece.
    func tell(_ k: KernelBuilder) {
        k.syncWarp()  // every lane has stored
        k.if(k.isFirstLane) { k.atomicAdd(stored + (k.threadIndex >> 5), 1, order: .release(.block)) }
    }

    /// Loading thread, before it claims piece `index`: waits until the announcing warp no longer needs the number that makes room.
    func awaitRoom(_ k: KernelBuilder, for index: Value<UInt32>) {
        k.spin { k.load(taken, order: .acquire(.block)) + TileClaims.capacity > index }
    }

    /// The announcing warp. Release is cumulative: what the multiplying warps did before they told of it is published as well.
    func run(_ k: KernelBuilder, _ schedule: TileSchedule) {
        // A kernel before this one clears signals.
        if configuration.dependent && configuration.follows == nil { k.waitForPrerequisites() }
        let ofLane = stored + (k.lane & k.constant(UInt32(configuration.multiplyingWarps - 1)))
        schedule.forEachPiece(k) { piece in
            k.spin { k.all(k.load(ofLane, order: .acquire(.block)) > piece.number) }
            // Whoever is told may rely on all that came with the piece's rows.
            arrivals?.await(k, piece)
            k.syncWarp()  // what each lane has seen, the first publishes
            k.if(k.isFirstLane) { k.store(piece.number + 1, to: taken, order: .release(.block)) }
            guard let cut = piece.cut else { return announce(k, piece.tile) }
            k.if(cut.isHead) {
                k.if(k.isFirstLane) { split.raise(k, slot: cut.slot) }
            } else: {
                announce(k, piece.tile)
            }
        }
    }

    private func announce(_ k: KernelBuilder, _ tile: ExpertTiles.Tile) {
        guard let dropped = configuration.droppedSignal else { return count(k, tile) }
        k.if(!(tile.expert == dropped.expert && tile.block == dropped.block && tile.column == 0)) { count(k, tile) }
    }

    private func count(_ k: KernelBuilder, _ tile: ExpertTiles.Tile) {
        if let home {
            countHome(k, home, tile)
        } else if configuration.signals {
            k.if(k.isFirstLane) { k.atomicAdd(signal(tile), 1, order: .release(.gpu)) }
        }
    }

    /// Counts a tile, and announces the rows of its block if it is the last one.
    private func countHome(_ k: KernelBuilder, _ home: HomeRows, _ tile: ExpertTiles.Tile) {
        let before = k.variable(k.constant(UInt32(0)))
        k.if(k.isFirstLane) {
            // Acquire and release: the last tile passes on what all the others stored.
            before.value = k.atomic(.add, signal(tile), k.constant(UInt32(1)), order: .acquireRelease(.gpu))
        }
        k.syncWarp()
        k.if(k.shuffle(before.value, from: k.constant(UInt32(0))) + 1 == configuration.tilesAcross) {
            k.span(.send, where: k.isFirstLane, (tile.expert, tile.block)) {
                k.for(from: k.lane, to: tile.rows, by: k.constant(UInt32(32))) { row in
                    let destination = home.destination(
                        k, expert: tile.expert, row: tile.block.multiply(configuration.blockM, add: row))
                    k.if(destination.exists) { home.announce(k, destination) }
                }
            }
        }
    }

    private func signal(_ tile: ExpertTiles.Tile) -> Pointer<UInt32> {
        signals.signal(expert: tile.expert, block: tile.block)
    }
}
