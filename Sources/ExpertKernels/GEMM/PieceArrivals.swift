import KernelLanguage

/// Where rows arrive while a GEMM runs: a warp of its own waits for those of piece after piece, as the loading thread
/// could not without standing still.
struct PieceArrivals {
    private let rows: ArrivingRows
    private let configuration: GEMMConfiguration
    /// UInt32: pieces of the block whose rows have arrived.
    private let complete: SharedPointer<UInt32>

    init(_ k: KernelBuilder, _ rows: ArrivingRows, _ configuration: GEMMConfiguration) {
        self.rows = rows
        self.configuration = configuration
        complete = k.shared(UInt32.self, count: 1)
    }

    /// One thread calls it, and the block meets at a barrier afterwards.
    func initialise(_ k: KernelBuilder) { k.store(k.constant(UInt32(0)), to: complete) }

    /// The waiting warp. A wait that fails is on record; then the GEMM goes on with what is there.
    func run(_ k: KernelBuilder, _ schedule: TileSchedule) {
        schedule.forEachPiece(k) { piece in
            k.span(.wait, where: k.isFirstLane, (piece.tile.expert, piece.tile.block)) {
                k.for(from: k.lane, to: piece.tile.rows, by: k.constant(UInt32(32))) { row in
                    rows.await(
                        k, expert: piece.tile.expert, row: piece.tile.block.multiply(configuration.blockM, add: row))
                }
                k.syncWarp()
            }
            k.if(k.isFirstLane) { k.store(piece.number + 1, to: complete, order: .release, scope: .block) }
        }
    }

    /// Whether the rows of a piece have arrived. The loading thread asks; bulk copies need a proxy fence as well.
    func have(_ k: KernelBuilder, _ piece: TileSchedule.Piece) -> Condition {
        k.load(complete, order: .acquire, scope: .block) > piece.number
    }

    /// Waits for the rows of a piece; the warp that it waits for has a watchdog.
    func await(_ k: KernelBuilder, _ piece: TileSchedule.Piece) {
        k.loop {
            k.breakIf(have(k, piece))
            k.sleep(nanoseconds: 20)
        }
    }
}
