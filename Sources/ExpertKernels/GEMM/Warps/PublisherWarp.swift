import KernelLanguage

/// Publishes the work tiles that the consumer warps of a thread block have stored. A warp of its own does it: a
/// release waits for the stores and, while loads are in flight, 1 to 2 µs, which would delay the producer or a
/// consumer warp.
///
/// A first split of a tile raises the flag of its partials, for the thread block that has the second. Slices but the
/// last have nothing to publish. Other work tiles finish a tile: they add one to the signal of the tile's row block,
/// and where rows are stored at their homes, the last tile of a row block publishes them there.
struct PublisherWarp {
    private let configuration: GEMMConfiguration
    private let signals: BlockSignals
    private let partials: SplitPartials
    private let arrivals: ArrivalsWarp?
    private let home: HomeRows?
    /// UInt32 `[consumerWarps]`: work tiles of which each warp has stored its part.
    private let stored: SharedPointer<UInt32>
    /// UInt32: work tiles that the publisher warp knows to be stored.
    private let taken: SharedPointer<UInt32>

    private var consumerWarps: Int { configuration.pipeline.consumerWarps }

    init(
        _ k: KernelBuilder, _ configuration: GEMMConfiguration, signals: BlockSignals, partials: SplitPartials,
        arrivals: ArrivalsWarp?, home: HomeRows?
    ) {
        self.configuration = configuration
        self.signals = signals
        self.partials = partials
        self.arrivals = arrivals
        self.home = home
        stored = k.shared(UInt32.self, count: configuration.pipeline.consumerWarps)
        taken = k.shared(UInt32.self, count: 1)
    }

    /// One thread calls it, and a barrier of the thread block follows.
    func initialise(_ k: KernelBuilder) {
        for warp in 0..<consumerWarps { k.store(0, to: stored + warp) }
        k.store(0, to: taken)
    }

    /// Notes that a consumer warp has stored its part of a work tile. All its lanes call it.
    func noteStored(_ k: KernelBuilder) {
        k.syncWarp()  // every lane has stored
        k.if(k.isFirstLane) { k.atomicAdd(stored + (k.threadIndex >> 5), 1, order: .release(.block)) }
    }

    /// Waits until the publisher warp no longer needs the number whose place work tile `index` takes in the ring. The
    /// producer calls it before it fetches that.
    func awaitRoom(_ k: KernelBuilder, for index: Value<UInt32>) {
        k.spin { k.load(taken, order: .acquire(.block)) + TileScheduler.capacity(configuration) > index }
    }

    /// Runs the warp. Release is cumulative: what the consumer warps did before they noted it is published as well.
    func run(_ k: KernelBuilder, _ scheduler: TileScheduler) {
        // A kernel before this one clears signals.
        if configuration.role.isDependent, configuration.role.rowsAfter == nil, !configuration.role.isBesideUnpack {
            k.waitForPrerequisites()
        }
        let ofLane = stored + (k.lane & (consumerWarps - 1))
        scheduler.forEachWorkTile(k) { workTile in
            k.spin { k.all(k.load(ofLane, order: .acquire(.block)) > workTile.index) }
            // Whoever sees the signal may rely on all that came with the work tile's rows.
            arrivals?.await(k, workTile)
            k.syncWarp()  // the first lane publishes what all have seen
            k.if(k.isFirstLane) { k.store(workTile.index + 1, to: taken, order: .release(.block)) }
            if let slice = workTile.slice {
                k.if(slice.isLast) { publish(k, workTile.tile) }
            } else if let split = workTile.split {
                k.if(split.writesPartials) {
                    k.if(k.isFirstLane) { partials.raiseFlag(k, slot: split.slot) }
                } else: {
                    publish(k, workTile.tile)
                }
            } else {
                publish(k, workTile.tile)
            }
        }
    }

    private func publish(_ k: KernelBuilder, _ tile: ExpertTiles.Tile) {
        guard let dropped = configuration.dropped else { return count(k, tile) }
        k.if(!(tile.expert == dropped.expert && tile.rowBlock == dropped.index && tile.column == 0)) { count(k, tile) }
    }

    private func count(_ k: KernelBuilder, _ tile: ExpertTiles.Tile) {
        if let home {
            countHome(k, home, tile)
        } else if configuration.role.signals {
            k.if(k.isFirstLane) { k.atomicAdd(signal(tile), 1, order: .release(.gpu)) }
        }
    }

    /// Counts a tile, and publishes the rows of its row block if it is the last one.
    private func countHome(_ k: KernelBuilder, _ home: HomeRows, _ tile: ExpertTiles.Tile) {
        let before = k.variable(0 as UInt32)
        k.if(k.isFirstLane) {
            // Acquire and release: the last tile passes on what all the others stored.
            before.value = k.atomic(.add, signal(tile), k.constant(UInt32(1)), order: .acquireRelease(.gpu))
        }
        k.syncWarp()
        k.if(k.shuffle(before.value, from: 0) + 1 == configuration.tilesAcross) {
            k.span(.send, where: k.isFirstLane, (tile.expert, tile.rowBlock)) {
                k.for(from: k.lane, to: tile.rows, by: Hopper.warpThreads) { row in
                    let destination = home.destination(
                        k, expert: tile.expert, row: tile.rowBlock.multiply(configuration.tile.m, add: row))
                    k.if(destination.exists) { home.publish(k, destination) }
                }
            }
        }
    }

    private func signal(_ tile: ExpertTiles.Tile) -> Pointer<UInt32> {
        signals.signal(expert: tile.expert, block: tile.rowBlock)
    }
}
