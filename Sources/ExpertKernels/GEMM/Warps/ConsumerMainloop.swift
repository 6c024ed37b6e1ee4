import KernelLanguage

/// The main loop of the consumer warp groups of a thread block: each sums up its channels of a tile for all its rows.
///
/// A group has one multiplication in flight and then scales and adds; meanwhile the tensor cores work for the others.
struct ConsumerMainloop {
    let ring: StageRing
    let weightScales: Pointer<Float>

    private var configuration: GEMMConfiguration { ring.configuration }

    /// Zeros, in the order of the tile's fragment.
    func makeSums(_ k: KernelBuilder) -> [Variable<Float>] {
        let fragment = configuration.fragment
        return (0..<fragment.parts.count * fragment.products).map { _ in k.variable(0 as Float) }
    }

    /// Adds the products over the work tile's k-blocks. `position` stays at the last stage, which the caller releases:
    /// its memory has room for the finished tile.
    func multiply(
        _ k: KernelBuilder, _ workTile: TileScheduler.WorkTile, _ position: StageRing.Position,
        into sums: [Variable<Float>]
    ) {
        let fragment = configuration.fragment
        let parts = fragment.parts
        let products = (0..<fragment.products).map { _ in k.variable(0 as Float) }
        let group = k.warpIndex >> 2
        let scales = ScalesAlongK(
            scales: scalesOfKBlocks(k, workTile.tile, group: group), kBlocks: configuration.problem.kBlocks)
        scales.forEachKBlock(k, from: workTile.firstKBlock, to: workTile.endKBlock) { kBlock, weightScales in
            let stage = ring.current(position)
            let isLast = kBlock + 1 == workTile.endKBlock
            k.wait(stage.full, parity: stage.parity)
            for part in parts {
                // Of high row blocks, the last rows may not be there.
                let isLastPart = part.number == parts.count - 1
                let hasNext = isLastPart ? k.constant(false) : workTile.tile.rows > (part.firstRow + part.rows)
                let body = {
                    start(k, part, of: stage, group: group, into: products)
                    let rowScales = fragment.rows(k, of: part).map { k.load(stage.scales + $0) }
                    // A factor for each of the thread's rows; two of each where gate and up alternate.
                    let factors = weightScales.map { scale in rowScales.map { $0 * scale } }
                    k.multiplyWait(pending: 0)
                    // Nothing more is read from the stage.
                    k.if(isLastPart ? !isLast : !isLast && !hasNext) { ring.release(k, stage) }
                    for (index, product) in products.enumerated() {
                        let (row, isSecondEight) = fragment.place(index)
                        let factor = factors[isSecondEight ? factors.count - 1 : 0][row]
                        sums[part.number * products.count + index].add(product.value, times: factor)
                    }
                }
                if part.number == 0 { body() } else { k.if(workTile.tile.rows > part.firstRow, then: body) }
            }
            k.if(!isLast) { ring.advance(k, position) }
        }
    }

    /// Starts the multiplication of one part over the stage's k-block.
    private func start(
        _ k: KernelBuilder, _ part: TilePart, of stage: StageRing.Stage, group: Value<UInt32>,
        into products: [Variable<Float>]
    ) {
        let weights = stage.weights + group * (ring.pipeline.groupChannels * TileShape.k)
        let operands = configuration.fragment.operands(part, weights: weights, rows: stage.rows)
        let a = k.matrixDescriptor(operands.a, swizzle: .bytes128)
        let b = k.matrixDescriptor(operands.b, swizzle: .bytes128)
        k.multiplyFence()
        for quarter in 0..<4 {
            // 32 channels further in the swizzled row: 2 in the descriptor's unit of 16 bytes.
            k.multiply(
                Float8E4M3.self, a: a + quarter * 2, b: b + quarter * 2, into: products,
                accumulate: k.constant(quarter > 0))
        }
        k.multiplyCommit()
    }

    /// Scales for all k-blocks: of the 128 channels that contain the group's, or of gate and of up, which alternate.
    private func scalesOfKBlocks(
        _ k: KernelBuilder, _ tile: ExpertTiles.Tile, group: Value<UInt32>
    ) -> [Pointer<Float>] {
        let problem = configuration.problem
        let columns = problem.n / ScaleGroup.channels
        let first = tile.column * (configuration.tile.n / ScaleGroup.channels)
        let own: [Value<UInt32>] =
            switch configuration.role.output {
            // Of the last tile, the second half may not be there.
            case .bfloat16: [(first + ((group * ring.pipeline.groupChannels) >> 7)).minimum(columns - 1)]
            case .swiGLU: [first, first + 1]
            }
        return own.map {
            weightScales + tile.expert.multiply(columns, add: $0).multipliedWide(by: problem.kBlocks)
        }
    }
}
