import KernelLanguage

/// Tiles whose rows have been stored at their home ranks, on their way from the loading thread, which learns of it, to a warp
/// that counts the tiles of each block of rows and announces the rows when the last one is there.
struct HomeTiles {
    private let configuration: GEMMConfiguration
    private let rows: HomeRows
    private let signals: BlockSignals
    /// UInt32 `[4]`: expert, block, number of rows of the tile handed over last; tiles handed over so far.
    private let handed: SharedPointer<UInt32>
    /// UInt32: tiles taken so far.
    private let taken: SharedPointer<UInt32>
    /// Loading thread: the tile to hand over when it has been stored; no rows for none.
    private let expected: (expert: Variable<UInt32>, block: Variable<UInt32>, rows: Variable<UInt32>)
    private let count: Variable<UInt32>

    init(_ k: KernelBuilder, _ configuration: GEMMConfiguration, rows: HomeRows, signals: BlockSignals) {
        self.configuration = configuration
        self.rows = rows
        self.signals = signals
        handed = k.shared(UInt32.self, count: 4)
        taken = k.shared(UInt32.self, count: 1)
        let zero = k.constant(UInt32(0))
        expected = (k.variable(zero), k.variable(zero), k.variable(zero))
        count = k.variable(zero)
    }

    /// One thread calls it, and the block meets at a barrier afterwards.
    func initialise(_ k: KernelBuilder) {
        k.store(k.constant(UInt32(0)), to: handed + 3)
        k.store(k.constant(UInt32(0)), to: taken)
    }

    /// Loading thread: the tile that is to be handed over once it is stored.
    func expect(_ k: KernelBuilder, _ tile: ExpertTiles.Tile) {
        expected.expert.value = tile.expert
        expected.block.value = tile.block
        expected.rows.value = tile.rows
    }

    /// Loading thread: whether a tile is still to be handed over.
    func isExpecting(_ k: KernelBuilder) -> Condition { expected.rows.value != 0 }

    /// Loading thread, which knows that the tile has been stored.
    func hand(_ k: KernelBuilder) {
        k.if(isExpecting(k)) {
            hand(k, rows: expected.rows.value)
            expected.rows.value = k.constant(UInt32(0))
        }
    }

    /// Loading thread, after its last tile.
    func end(_ k: KernelBuilder) { hand(k, rows: k.constant(UInt32(0))) }

    private func hand(_ k: KernelBuilder, rows: Value<UInt32>) {
        // The warp takes a tile in a few microseconds, and tiles are further apart than that.
        k.loop {
            k.breakIf(k.load(taken, order: .acquire, scope: .block) == count.value)
            k.sleep(nanoseconds: 20)
        }
        k.store(expected.expert.value, to: handed)
        k.store(expected.block.value, to: handed + 1)
        k.store(rows, to: handed + 2)
        count.add(1)
        k.store(count.value, to: handed + 3, order: .release, scope: .block)
    }

    /// The announcing warp, until the loading thread has no more tiles.
    func run(_ k: KernelBuilder) {
        let number = k.variable(k.constant(UInt32(0)))
        k.loop {
            k.loop {
                k.breakIf(k.load(handed + 3, order: .acquire, scope: .block) > number.value)
                k.sleep(nanoseconds: 50)
            }
            let (expert, block, present) = (k.load(handed), k.load(handed + 1), k.load(handed + 2))
            k.breakIf(present == 0)
            let before = k.variable(k.constant(UInt32(0)))
            k.syncWarp()
            k.if(k.isFirstLane) {
                // Acquire and release: the last tile passes on what all the others stored.
                before.value = k.atomic(
                    .add, signals.signal(expert: expert, block: block), k.constant(UInt32(1)), order: .acquireRelease,
                    scope: .gpu)
                k.store(number.value + 1, to: taken, order: .release, scope: .block)
            }
            number.add(1)
            k.syncWarp()
            k.if(k.shuffle(before.value, from: k.constant(UInt32(0))) + 1 == configuration.tilesAcross) {
                k.span(.send, where: k.isFirstLane, (expert, block)) {
                    k.for(from: k.lane, to: present, by: k.constant(UInt32(32))) { row in
                        let destination = rows.destination(
                            k, expert: expert, row: block.multiply(configuration.blockM, add: row))
                        k.if(destination.exists) { rows.announce(k, destination) }
                    }
                }
            }
        }
    }
}
