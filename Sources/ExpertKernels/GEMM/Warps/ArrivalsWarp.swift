import KernelLanguage

/// The arrivals warp of a GEMM whose rows come in while it runs: it waits for those of work tile after work tile, as
/// the producer could not without stalling.
struct ArrivalsWarp {
    /// Who writes the rows.
    enum Source {
        /// Other ranks, row by row.
        case ranks(ArrivingRows)
        /// A GEMM before this one: a row block is there when its signal has reached `threshold`.
        case rowBlocks(BlockSignals, threshold: Int, Watchdog)
    }

    private let source: Source
    private let configuration: GEMMConfiguration
    /// UInt32: work tiles of the thread block whose rows have arrived.
    private let complete: SharedPointer<UInt32>

    init(_ k: KernelBuilder, _ source: Source, _ configuration: GEMMConfiguration) {
        self.source = source
        self.configuration = configuration
        complete = k.shared(UInt32.self, count: 1)
    }

    /// One thread calls it, and a barrier of the thread block follows.
    func initialise(_ k: KernelBuilder) { k.store(0, to: complete) }

    /// Runs the warp. A wait that fails is on record; then the GEMM goes on with the rows that are there.
    func run(_ k: KernelBuilder, _ scheduler: TileScheduler) {
        scheduler.forEachWorkTile(k) { workTile in
            let tile = workTile.tile
            k.span(.wait, where: k.isFirstLane, (tile.expert, tile.rowBlock)) {
                switch source {
                case .ranks(let rows):
                    k.for(from: k.lane, to: tile.rows, by: Hopper.warpThreads) { row in
                        let row = tile.rowBlock.multiply(configuration.tile.m, add: row)
                        rows.await(k, expert: tile.expert, row: row)
                    }
                case .rowBlocks(let signals, let threshold, let watchdog):
                    k.if(k.isFirstLane) { waitForRowBlock(k, tile, signals, threshold, watchdog) }
                }
                k.syncWarp()
            }
            k.if(k.isFirstLane) { k.store(workTile.index + 1, to: complete, order: .release(.block)) }
        }
    }

    private func waitForRowBlock(
        _ k: KernelBuilder, _ tile: ExpertTiles.Tile, _ signals: BlockSignals, _ threshold: Int, _ watchdog: Watchdog
    ) {
        let signal = signals.signal(expert: tile.expert, block: tile.rowBlock)
        _ = watchdog.wait(
            k,
            for: Watchdog.Subject(
                kind: .block, expert: tile.expert, place: tile.rowBlock, expected: k.constant(UInt64(threshold)))
        ) {
            let seen = k.load(signal, order: .acquire(.gpu))
            return .init(seen >= threshold, seen: seen.wide)
        }
    }

    /// Whether the rows of a work tile have arrived. Bulk copies of them need a proxy fence as well.
    func have(_ k: KernelBuilder, _ workTile: TileScheduler.WorkTile) -> Condition {
        k.load(complete, order: .acquire(.block)) > workTile.index
    }

    /// Waits for the rows of a work tile; the warp that it waits for has a watchdog.
    func await(_ k: KernelBuilder, _ workTile: TileScheduler.WorkTile) {
        k.spin { have(k, workTile) }
    }
}
