import KernelLanguage

/// Masked grouped FP8 GEMM on tensor cores, with partial sums scaled and added in Float32 every 128 channels.
///
/// A persistent grid of any size; the order of additions depends on `k` alone, so the same row gives the same bits
/// whatever the grid, the block height and the other rows.
///
/// - In: `weights` FP8 `[experts, n / tileN, k / 128, tileN, 128]`, each 128 bytes swizzled as shared memory is to hold
///   them, with zeros where `n` does not fill the last tile; `rows` tensor map, FP8 `[experts, maxRows, k]` in boxes of
///   `GEMMConfiguration.rowBox` rows of 128 channels, swizzled by 128 bytes; `weightScales` Float32
///   `[experts, n / 128, k / 128]`; `rowScales` Float32 `[experts, k / 128, scaleRows]`, initialised throughout; `counts`
///   UInt32 `[experts]`.
/// - Out: the first `counts[e]` rows of each expert. `.sums`: `output` BF16 `[experts, maxRows, n]`. `.swiGLU`: `output`
///   FP8 `[experts, maxRows, n / 2]`, `outputScales` Float32 `[experts, n / 256, scaleRows]`. With signals: `signals` UInt32
///   `[experts, blocks]`.
/// - With arriving rows: `window` of this rank, which holds the rows; `rank`; `step`. `counts` is not read.
/// - With rows sent home: `peers`, `rank`, `step` and, with a link, `linkBusy`; rows go to `RankWindow.combineRows` of their
///   ranks instead of `output`, and `signals`, zero before, are counted inside.
/// - That follows a running GEMM: `rowSignals` UInt32 `[experts, blocks]`, raised by it.
/// - Scratch: `splitSums`, `GEMMConfiguration.splitBytes`; `splitFlags` UInt32 `[gridSize]`, zero before and after, of which the
///   first counts what blocks have claimed.
public func groupedGEMMKernel(_ configuration: GEMMConfiguration) throws(VerificationError) -> Kernel {
    precondition(configuration.fitsOutput, "SwiGLU needs tiles of \(GEMMConfiguration.maxTileN) channels")
    return try KernelBuilder.build(configuration.kernelName, threads: configuration.threads) { k in
        let weights = k.pointerParameter("weights", to: Float8E4M3.self)
        let rows = k.tensorMapParameter("rows")
        let weightScales = k.pointerParameter("weightScales", to: Float.self)
        let rowScales = k.pointerParameter("rowScales", to: Float.self)
        let counts = k.pointerParameter("counts", to: UInt32.self)
        let output = k.pointerParameter("output", to: UInt32.self)
        let outputScales = k.pointerParameter("outputScales", to: Float.self)
        let signals = BlockSignals(
            k.pointerParameter("signals", to: UInt32.self),
            blocks: configuration.blocks)
        let split = SplitSums(k, configuration)

        let ring = StageRing(k, configuration)
        let arriving = configuration.arriving.map { window in
            ArrivingRows(k, window, watchdog: split.watchdog)
        }
        let tiles = ExpertTiles(k, configuration, counts: arriving.map { .told($0) } ?? .given(counts))
        let home = configuration.home.map { HomeRows(k, Peers(k, $0)) }
        var source = arriving.map { PieceArrivals.Source.ranks($0) }
        if let threshold = configuration.follows {
            let words = k.pointerParameter("rowSignals", to: UInt32.self)
            source = .blocks(
                BlockSignals(words, blocks: configuration.blocks), threshold: threshold, split.watchdog)
        }
        let arrivals = source.map { PieceArrivals(k, $0, configuration) }
        let announcer =
            configuration.announces
            ? PieceAnnouncer(k, configuration, signals: signals, split: split, arrivals: arrivals, home: home) : nil
        let loader = TileLoader(
            k, ring, weights: weights, rows: rows, rowScales: rowScales, split: split, arrivals: arrivals,
            announcer: announcer)
        let multiplier = TileMultiplier(ring: ring, weightScales: weightScales)
        let sumsEpilogue = SumsEpilogue(k, ring, output: output, home: home)
        let swiGLUEpilogue =
            configuration.output == .swiGLU ? SwiGLUEpilogue(k, ring, output: output, scales: outputScales) : nil

        let schedule = TileSchedule(k, tiles: tiles, counter: split.claims)
        let isLoader = k.warpIndex == configuration.multiplyingWarps
        k.if(isLoader && k.elected) { loader.fetchEarly(k, schedule) }
        k.if(k.isFirstThread) {
            ring.initialise(k)
            schedule.initialise(k)
            arrivals?.initialise(k)
            announcer?.initialise(k)
            k.proxyFence(.barrierInit)
        }
        k.if(isLoader) { tiles.initialise(k) }
        k.syncThreads()

        k.if(k.warpIndex >= configuration.multiplyingWarps) {
            k.decreaseRegisters(to: configuration.loaderRegisters)
            k.if(isLoader) {
                k.if(k.elected) { loader.run(k, schedule) }
            } else: {
                if let arrivals {
                    k.if(k.warpIndex == configuration.multiplyingWarps + 1) { arrivals.run(k, schedule) }
                }
                if let announcer {
                    k.if(k.warpIndex == configuration.multiplyingWarps + 2) { announcer.run(k, schedule) }
                }
            }
        } else: {
            k.increaseRegisters(to: configuration.multiplierRegisters)
            let position = ring.start(k)
            schedule.forEachPiece(k) { piece in
                k.span(.work, where: k.isFirstThread, (piece.tile.expert, piece.tile.column)) {
                    let sums = multiplier.makeSums(k)
                    // With its rows, what dispatch told about them is there as well.
                    if configuration.home != nil { arrivals?.await(k, piece) }
                    sumsEpilogue.prepare(k, piece)
                    if let cut = piece.cut {
                        k.if(cut.isTail) { split.take(k, piece.tile, slot: cut.slot, from: ring, position, into: sums) }
                    }
                    multiplier.multiply(k, piece, position, into: sums)
                    let last = ring.current(position)
                    func storeTile() {
                        if let swiGLUEpilogue {
                            swiGLUEpilogue.store(k, sums, piece.tile, last)
                        } else {
                            sumsEpilogue.store(k, sums, piece, last)
                        }
                    }
                    if let cut = piece.cut {
                        k.if(cut.isHead) {
                            ring.release(k, last)
                            split.store(k, slot: cut.slot, sums)
                        } else: {
                            storeTile()
                        }
                    } else {
                        storeTile()
                    }
                }
                announcer?.tell(k)
                ring.advance(k, position)
            }
            // An instruction at the end, as `TileLoader.run` has one: else ptxas does not see that one thread loads, and moves what it loads
            // by from registers of each lane to uniform ones for every load. With 128 rows that takes 2 % longer.
            k.syncWarp()
        }
    }
}
