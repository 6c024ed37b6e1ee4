import KernelLanguage

/// Where rows come in while a GEMM runs: a warp of its own waits for those of piece after piece, as the loading thread could
/// not without standing still.
struct PieceArrivals {
    /// Who writes the rows.
    enum Source {
        /// Other ranks, row by row.
        case ranks(ArrivingRows)
        /// A GEMM before this one: a block of rows is there when its signal has reached `threshold`.
        case blocks(BlockSignals, threshold: Int, Watchdog)
    }

    private let source: Source
    private let configuration: GEMMConfiguration
    /// UInt32: pieces of the block whose rows have arrived.
    private let complete: SharedPointer<UInt32>

    init(_ k: KernelBuilder, _ source: Source, _ configuration: GEMMConfiguration) {
        self.source = source
        self.configuration = configuration
        complete = k.shared(UInt32.self, count: 1)
    }

    /// One thread calls it, and the block meets at a barrier afterwards.
    func initialise(_ k: KernelBuilder) { k.store(k.constant(UInt32(0)), to: complete) }

    /// The waiting warp. A wait that fails is on record; then the GEMM goes on with what is there.
    func run(_ k: KernelBuilder, _ schedule: TileSchedule) {
        schedule.forEachPiece(k) { piece in
            k.span(.wait, where: k.isFirstLane, (piece.tile.expert, piece.tile.block)) {
                switch source {
                case .ranks(let rows):
                    k.for(from: k.lane, to: piece.tile.rows, by: k.constant(UInt32(32))) { row in
                        let row = piece.tile.block.multiply(configuration.blockM, add: row)
                        rows.await(k, expert: piece.tile.expert, row: row)
                    }
                case .blocks(let signals, let threshold, let watchdog):
                    k.if(k.isFirstLane) { waitForBlock(k, piece.tile, signals, threshold, watchdog) }
                }
                k.syncWarp()
            }
            k.if(k.isFirstLane) { k.store(piece.number + 1, to: complete, order: .release(.block)) }
        }
    }

    private func waitForBlock(
        _ k: KernelBuilder, _ tile: ExpertTiles.Tile, _ signals: BlockSignals, _ threshold: Int, _ watchdog: Watchdog
    ) {
        let signal = signals.signal(expert: tile.expert, block: tile.block)
        _ = watchdog.wait(
            k,
            for: Watchdog.Subject(
                kind: .block, expert: tile.expert, place: tile.block, expected: k.constant(UInt64(threshold)))
        ) {
            let seen = k.load(signal, order: .acquire(.gpu))
            return .init(seen >= threshold, seen: seen.wide)
        }
    }

    /// Whether the rows of a piece have arrived. Bulk copies of them need a proxy fence as well.
    func have(_ k: KernelBuilder, _ piece: TileSchedule.Piece) -> Condition {
        k.load(complete, order: .acquire(.block)) > piece.number
    }

    /// Waits for the rows of a piece; the warp that it waits for has a watchdog.
    func await(_ k: KernelBuilder, _ piece: TileSchedule.Piece) {
        k.spin { have(k, piece) }
    }
}
