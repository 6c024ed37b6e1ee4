import KernelLanguage

/// Masked grouped FP8 GEMM on tensor cores, with partial sums scaled and added in Float32 every 128 channels.
///
/// A persistent grid of any size; the order of additions depends on `k` alone, so the same row gives the same bits
/// whatever the grid, the block height and the other rows.
///
/// - In: `weights` tensor map, FP8 `[experts * n, k]`; `rows` tensor map, FP8 `[experts * maxRows, k]`; `weightScales`
///   Float32 `[experts, n / 128, k / 128]`; `rowScales` Float32 `[experts, k / 128, scaleRows]`, initialised throughout;
///   `counts` UInt32 `[experts]`.
/// - Out: `output` BF16 `[experts, maxRows, n]`, the first `counts[e]` rows; `signals` UInt32 `[experts, blocks]`.
public func groupedGEMMKernel(_ configuration: GEMMConfiguration) throws(VerificationError) -> Kernel {
    let multiplyingWarps = 8
    return try KernelBuilder.build(configuration.kernelName, threads: (multiplyingWarps + 1) * 32) { k in
        let weights = k.tensorMapParameter("weights")
        let rows = k.tensorMapParameter("rows")
        let weightScales = k.pointerParameter("weightScales", to: Float.self)
        let rowScales = k.pointerParameter("rowScales", to: Float.self)
        let counts = k.pointerParameter("counts", to: UInt32.self)
        let output = k.pointerParameter("output", to: BFloat16.self)
        let signals = BlockSignals(
            k.pointerParameter("signals", to: UInt32.self),
            blocks: configuration.blocks)

        let ring = StageRing(k, configuration)
        let epilogue = TileEpilogue(k, configuration, output: output, signals: signals)
        k.if(k.isFirstThread) { ring.initialise(k, multiplyingWarps: multiplyingWarps) }
        k.syncThreads()

        let schedule = TileSchedule(configuration: configuration, counts: counts)
        k.if(k.warpIndex == multiplyingWarps) {
            k.if(k.elected) {
                k.prefetch(weights)
                k.prefetch(rows)
                loadTiles(k, schedule, ring, weights: weights, rows: rows, rowScales: rowScales)
            }
        } else: {
            let position = ring.start(k)
            schedule.forEachTile(k) { tile in
                let scales =
                    weightScales
                    + tile.expert.multiply(configuration.tilesAcross, add: tile.column)
                    .multipliedWide(by: configuration.k / GEMMConfiguration.blockK)
                let sums = multiplyTile(k, ring, position, weightScales: scales)
                epilogue.store(k, sums, tile)
            }
        }
    }
}

/// The loading thread: fills stage after stage as they become empty.
private func loadTiles(
    _ k: KernelBuilder, _ schedule: TileSchedule, _ ring: StageRing, weights: TensorMapParameter,
    rows: TensorMapParameter, rowScales: Pointer<Float>
) {
    let configuration = ring.configuration
    let blockK = GEMMConfiguration.blockK
    let position = ring.start(k)
    schedule.forEachTile(k) { tile in
        let weightRow = tile.expert.multiply(configuration.n, add: tile.column * GEMMConfiguration.blockN)
        let row = tile.expert.multiply(configuration.maxRows, add: tile.block * configuration.blockM)
        let scaleColumn = rowScales + tile.block * configuration.blockM
        k.for(to: configuration.k / blockK) { step in
            let stage = ring.next(k, position)
            // A fresh mbarrier counts the phase before its first as complete: the ring starts empty.
            k.wait(stage.empty, parity: stage.parity ^ 1)
            k.arrive(
                stage.full,
                expecting: configuration.weightBytes + configuration.rowBytes + configuration.scaleBytes)
            k.tensorLoad(
                weights, at: [step * blockK, weightRow], to: stage.weights, barrier: stage.full, cache: .evictFirst)
            k.tensorLoad(rows, at: [step * blockK, row], to: stage.rows, barrier: stage.full, cache: .evictLast)
            let group = tile.expert.multiply(configuration.k / blockK, add: step)
            k.bulkLoad(
                scaleColumn + group.multipliedWide(by: configuration.scaleRows), to: stage.scales,
                bytes: k.constant(UInt32(configuration.scaleBytes)), barrier: stage.full)
        }
    }
}

/// A multiplying warp group: 64 of the tile's 128 output channels for all its rows, summed over K.
private func multiplyTile(
    _ k: KernelBuilder, _ ring: StageRing, _ position: StageRing.Position, weightScales: Pointer<Float>
) -> [Variable<Float>] {
    let configuration = ring.configuration
    let zero = k.constant(Float(0))
    let sums = (0..<configuration.blockM / 2).map { _ in k.variable(zero) }
    let partial = (0..<configuration.blockM / 2).map { _ in k.variable(zero) }
    let group = k.warpIndex >> 2
    // The two neighbouring columns of each group of eight that a thread holds (see `WarpGroupMultiply`).
    let firstColumn = (k.lane & 3) << 1

    k.for(to: configuration.k / GEMMConfiguration.blockK) { step in
        let stage = ring.next(k, position)
        let weightScale = k.load(weightScales + step, cache: .readOnly)
        k.wait(stage.full, parity: stage.parity)
        let a = k.matrixDescriptor(stage.weights + group * (64 * GEMMConfiguration.blockK), swizzle: .bytes128)
        let b = k.matrixDescriptor(stage.rows, swizzle: .bytes128)
        k.multiplyFence()
        for part in 0..<4 {
            // 32 channels further in the swizzled row: 2 in the descriptor's unit of 16 bytes.
            k.multiply(
                Float8E4M3.self, a: a + part * 2, b: b + part * 2, into: partial, accumulate: k.constant(part > 0))
        }
        k.multiplyCommit()
        let scales = (0..<configuration.blockM / 8).flatMap { j in
            k.loadVector(stage.scales + firstColumn + j * 8, count: 2).map { $0 * weightScale }
        }
        k.multiplyWait()
        k.syncWarp()  // every lane has read its scales
        k.if(k.isFirstLane) { k.arrive(stage.empty) }
        for (index, sum) in sums.enumerated() {
            sum.add(partial[index], times: scales[index / 4 * 2 + index % 2])
        }
    }
    return sums
}
