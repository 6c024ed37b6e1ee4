import KernelLanguage

/// The multiplying warp groups of a block: each sums up one side of a tile's output channels, one or two times 64, for all
/// its rows.
struct TileMultiplier {
    let ring: StageRing
    let weightScales: Pointer<Float>

    /// Zeros: for each 64 channels and each eight rows, channels `c` and `c + 8` of two neighbouring rows.
    func makeSums(_ k: KernelBuilder) -> [Variable<Float>] {
        (0..<ring.configuration.halves * ring.configuration.blockM / 2).map { _ in k.variable(k.constant(Float(0))) }
    }

    /// Adds the products over the piece's steps.
    func multiply(
        _ k: KernelBuilder, _ piece: TileSchedule.Piece, _ position: StageRing.Position, into sums: [Variable<Float>]
    ) {
        let configuration = ring.configuration
        let parts = Part.all(configuration)
        // Two parts are in flight: while one is scaled and added, the next one is multiplied.
        let products = (0..<2).map { _ in (0..<parts[0].rows / 2).map { _ in k.variable(k.constant(Float(0))) } }
        let group = k.warpIndex >> 2
        let scales = scalesAlongK(piece.tile, group: group, k)
        // Weight scales come from global memory, a step ahead of their use.
        let nextScales = scales.map { k.variable(k.load($0 + piece.firstStep, cache: .readOnly)) }

        k.for(from: piece.firstStep, to: piece.endStep, by: k.constant(UInt32(1))) { step in
            let stage = ring.next(k, position)
            let weightScales = nextScales.map(\.value)
            let next = (step + 1).minimum(k.constant(UInt32(configuration.steps - 1)))
            for (variable, pointer) in zip(nextScales, scales) {
                variable.value = k.load(pointer + next, cache: .readOnly)
            }
            k.wait(stage.full, parity: stage.parity)
            start(k, parts[0], of: stage, group: group, into: products[0])
            for (number, part) in parts.enumerated() {
                let isLast = number == parts.count - 1
                if !isLast {
                    start(k, parts[number + 1], of: stage, group: group, into: products[(number + 1) % 2])
                }
                let rowScales = rowScales(k, stage, part)
                k.multiplyWait(pending: isLast ? 0 : 1)
                if isLast { release(k, stage) }
                let first = part.half * configuration.blockM / 2 + part.firstRow / 2
                for (index, product) in products[number % 2].enumerated() {
                    let (row, channel) = (index / 4 * 2 + index % 2, index / 2 % 2)
                    let scale = rowScales[row] * weightScales[channel % weightScales.count]
                    sums[first + index].add(product.value, times: scale)
                }
            }
        }
    }

    /// What is multiplied at once: 64 channels and up to 64 rows.
    private struct Part {
        let half: Int
        let firstRow: Int
        let rows: Int

        static func all(_ configuration: GEMMConfiguration) -> [Part] {
            let rows = min(configuration.blockM, 64)
            return (0..<configuration.halves).flatMap { half in
                stride(from: 0, to: configuration.blockM, by: rows).map { Part(half: half, firstRow: $0, rows: rows) }
            }
        }
    }

    /// Starts the multiplication of one part over the stage's 128 channels of K.
    private func start(
        _ k: KernelBuilder, _ part: Part, of stage: StageRing.Stage, group: Value<UInt32>,
        into products: [Variable<Float>]
    ) {
        let blockK = GEMMConfiguration.blockK
        let a = k.matrixDescriptor(
            stage.weights + (group * ring.configuration.halves + part.half) * (64 * blockK), swizzle: .bytes128)
        let b = k.matrixDescriptor(stage.rows + part.firstRow * blockK, swizzle: .bytes128)
        k.multiplyFence()
        for quarter in 0..<4 {
            // 32 channels further in the swizzled row: 2 in the descriptor's unit of 16 bytes.
            k.multiply(
                Float8E4M3.self, a: a + quarter * 2, b: b + quarter * 2, into: products,
                accumulate: k.constant(quarter > 0))
        }
        k.multiplyCommit()
    }

    /// Scales of the rows that the thread holds: two neighbouring ones of each eight (see `WarpGroupMultiply`).
    private func rowScales(_ k: KernelBuilder, _ stage: StageRing.Stage, _ part: Part) -> [Value<Float>] {
        let first = stage.scales + ((k.lane & 3) << 1) + part.firstRow
        return (0..<part.rows / 8).flatMap { k.loadVector(first + $0 * 8, count: 2) }
    }

    /// The warp has read all it needs of the stage.
    private func release(_ k: KernelBuilder, _ stage: StageRing.Stage) {
        k.syncWarp()
        k.if(k.isFirstLane) { k.arrive(stage.empty) }
    }

    /// Scales for all steps of K: of the group's 128 channels, or of gate and of up, which take turns.
    private func scalesAlongK(
        _ tile: ExpertTiles.Tile, group: Value<UInt32>, _ k: KernelBuilder
    ) -> [Pointer<Float>] {
        let configuration = ring.configuration
        let columns = configuration.n / 128
        let first = tile.column * configuration.halves
        let own: [Value<UInt32>] =
            switch configuration.output {
            // Of the last tile, the second half may not be there.
            case .sums where configuration.halves == 1: [first]
            case .sums: [(first + group).minimum(k.constant(UInt32(columns - 1)))]
            case .swiGLU: [first, first + 1]
            }
        return own.map {
            weightScales + tile.expert.multiply(columns, add: $0).multipliedWide(by: configuration.steps)
        }
    }
}
