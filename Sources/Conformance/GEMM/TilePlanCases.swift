import Accelerator
import ExpertKernels
import KernelLanguage

/// The schedule that a grid follows against the plan that the host works out.
func tilePlanCases() -> [ConformanceCase] {
    let shapes: [(counts: [Int], n: Int, k: Int)] = [
        ([0, 0, 0], 512, 256), ([1], 128, 128), ([3, 0, 40, 17, 129], 640, 384), ([64, 64, 64], 1024, 1152),
        ([64, 3, 70], 640, 4096),
        ((0..<70).map { $0 * 5 % 33 }, 384, 256), ((0..<19).map { $0 % 3 + 1 }, 512, 256),
    ]
    return GEMMConfiguration.blockHeights.map { blockM in
        ConformanceCase("tile schedule blockM=\(blockM)") { device in
            for shape in shapes {
                for gridSize in [1, 2, 5, 7, 16, 20] {
                    try check(device, counts: shape.counts, n: shape.n, k: shape.k, blockM: blockM, gridSize: gridSize)
                }
            }
        }
    }
}

/// Words that the kernel leaves of a piece.
private let wordsOfPiece = 8

private func check(
    _ device: any Device, counts: [Int], n: Int, k: Int, blockM: Int, gridSize: Int
) throws {
    let maxRows = max(counts.max() ?? 0, 1)
    let configuration = GEMMConfiguration(
        n: n, k: k, experts: counts.count, maxRows: maxRows, scaleRows: GEMMConfiguration.scaleRows(maxRows),
        blockM: blockM)
    let plan = TilePlan(configuration, counts: counts, gridSize: gridSize)
    let room = (plan.pieces.map(\.count).max() ?? 0) + 1
    let stream = try device.makeStream(label: "tile schedule")
    let output = try device.makeBuffer(
        [UInt32](repeating: .max, count: gridSize * room * wordsOfPiece), label: "pieces")
    let firsts = try device.makeBuffer([UInt32](repeating: .max, count: gridSize * 3), label: "likely first pieces")
    let rows = try device.makeBuffer(counts.map(UInt32.init), label: "counts")
    let kernel = try device.load(scheduleKernel(configuration, room: room))
    try device.launch(
        kernel, blocks: gridSize,
        arguments: [.address(rows.address), .address(output.address), .address(firsts.address)],
        dependentLaunch: false, on: stream)
    try device.synchronize(stream)

    let expected = plan.pieces.flatMap { pieces in
        let words = pieces.enumerated().flatMap { number, piece in
            let rows = min(counts[piece.expert] - piece.block * blockM, blockM)
            let flags =
                (piece.steps.upperBound < configuration.steps ? 1 : 0) + (piece.steps.lowerBound > 0 ? 2 : 0)
                + (number == pieces.count - 1 ? 4 : 0)
            return [
                piece.expert, piece.block, piece.column, rows, piece.steps.lowerBound, piece.steps.upperBound, flags, 0,
            ].map(UInt32.init)
        }
        return words + [UInt32](repeating: .max, count: room * wordsOfPiece - words.count)
    }
    try requireEqual(
        "pieces of \(plan), counts \(counts.prefix(8)),",
        device.read(UInt32.self, count: expected.count, from: output), expected)

    // Whatever the counts, blocks guess what comes first if every expert has one block of rows.
    let likely = TilePlan(configuration, counts: counts.map { _ in 1 }, gridSize: gridSize)
    let guesses = try device.read(UInt32.self, count: gridSize * 3, from: firsts)
    for (block, pieces) in likely.pieces.enumerated() {
        let (tile, first, end) = (guesses[3 * block], guesses[3 * block + 1], guesses[3 * block + 2])
        let guess = first < end ? [tile, first, end] : []
        let actual = pieces.prefix(1).flatMap {
            [$0.expert * configuration.tilesAcross + $0.column, $0.steps.lowerBound, $0.steps.upperBound].map(
                UInt32.init)
        }
        try requireEqual("likely first piece of block \(block) of \(likely)", guess, actual)
    }
}

/// One warp to a block; its first lane writes down the block's pieces.
private func scheduleKernel(_ configuration: GEMMConfiguration, room: Int) throws -> Kernel {
    try KernelBuilder.build("tile_schedule", threads: 32) { k in
        let counts = k.pointerParameter("counts", to: UInt32.self)
        let output = k.pointerParameter("output", to: UInt32.self)
        let firsts = k.pointerParameter("firsts", to: UInt32.self)
        let tiles = ExpertTiles(k, configuration, counts: counts)
        tiles.initialise(k)
        k.syncThreads()
        k.if(k.isFirstLane) {
            let place = k.variable(k.blockIndex * (room * wordsOfPiece))
            let schedule = TileSchedule(tiles: tiles)
            let likely = schedule.likelyFirst(k)
            for (index, word) in [likely.tile, likely.first, likely.end].enumerated() {
                k.store(word, to: firsts + k.blockIndex * 3 + index)
            }
            schedule.forEachPiece(k) { piece in
                func flag(_ condition: Condition?, _ value: UInt32) -> Value<UInt32> {
                    (condition ?? k.constant(false)).select(k.constant(value), k.constant(UInt32(0)))
                }
                let flags = flag(piece.isHead, 1) + flag(piece.isTail, 2) + flag(piece.isLast, 4)
                let tile = piece.tile
                let words = [
                    tile.expert, tile.block, tile.column, tile.rows, piece.firstStep, piece.endStep, flags,
                    k.constant(UInt32(0)),
                ]
                for (index, word) in words.enumerated() { k.store(word, to: output + place.value + index) }
                place.value = place.value + wordsOfPiece
            }
        }
    }
}
