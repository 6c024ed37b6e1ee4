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
                // On 15, 38 tiles of high blocks go to 14 behind another kernel: to more than share them evenly, and not to all.
                for gridSize in [1, 2, 5, 7, 8, 15, 16, 20] {
                    for dependent in [false, true] {
                        // By itself on fast memory and on slow, or behind a GEMM and behind a short kernel.
                        for cutsLess in [false, true] {
                            try check(
                                device, counts: shape.counts, n: shape.n, k: shape.k, blockM: blockM,
                                dependent: dependent, cutsLess: cutsLess, gridSize: gridSize)
                        }
                    }
                }
            }
        }
    }
}

/// Words that the kernel leaves of a piece.
private let wordsOfPiece = 8

private func check(
    _ device: any Device, counts: [Int], n: Int, k: Int, blockM: Int, dependent: Bool, cutsLess: Bool,
    gridSize: Int
) throws {
    let maxRows = max(counts.max() ?? 0, 1)
    var configuration = GEMMConfiguration(
        n: n, k: k, experts: counts.count, maxRows: maxRows, scaleRows: GEMMConfiguration.scaleRows(maxRows),
        blockM: blockM, dependent: dependent)
    if cutsLess {
        (configuration.memoryBytesPerSecond, configuration.behindShortKernel) = (1_000_000_000_000, true)
    }
    let plan = TilePlan(configuration, counts: counts, gridSize: gridSize)
    let room = plan.tiles + 1
    let stream = try device.makeStream(label: "tile schedule")
    let firsts = try device.makeBuffer([UInt32](repeating: .max, count: gridSize * 3), label: "likely first pieces")
    let rows = try device.makeBuffer(counts.map(UInt32.init), label: "counts")
    let claims = try device.makeBuffer([UInt32(0)], label: "claims")
    let kernel = try device.load(scheduleKernel(configuration, room: room))
    func launch() throws -> [UInt32] {
        let words = gridSize * room * wordsOfPiece
        let output = try device.makeBuffer([UInt32](repeating: .max, count: words), label: "pieces")
        try device.launch(
            kernel, blocks: gridSize, arguments: [rows, output, firsts, claims].map { .address($0.address) },
            dependentLaunch: false, on: stream)
        try device.synchronize(stream)
        return try device.read(UInt32.self, count: words, from: output)
    }

    func words(_ piece: TilePlan.Piece) -> [UInt32] {
        let rows = min(counts[piece.expert] - piece.block * blockM, blockM)
        let flags = (piece.steps.upperBound < configuration.steps ? 1 : 0) + (piece.steps.lowerBound > 0 ? 2 : 0)
        return [
            piece.expert, piece.block, piece.column, rows, piece.steps.lowerBound, piece.steps.upperBound, flags, 0,
        ].map(UInt32.init)
    }
    let what = "pieces of \(plan), counts \(counts.prefix(8)),"
    // The second launch finds the counter as the first left it.
    for _ in 0..<2 { try checkClaims(what, plan, launch(), room: room, words: words) }

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

/// Each piece must come to one block, in the order of claims, and the first of each block is known.
private func checkClaims(
    _ what: String, _ plan: TilePlan, _ found: [UInt32], room: Int, words: (TilePlan.Piece) -> [UInt32]
) throws {
    let blocks = plan.pieces.indices.map { block in
        (block * room..<(block + 1) * room).map { Array(found[$0 * wordsOfPiece..<($0 + 1) * wordsOfPiece]) }
            .filter { $0 != [UInt32](repeating: .max, count: wordsOfPiece) }
    }
    let firsts = plan.pieces.flatMap { $0.prefix(1).flatMap(words) }
    try requireEqual("first \(what)", blocks.flatMap { $0.first ?? [] }, firsts)
    for block in blocks {
        try requireEqual("order of \(what)", block.flatMap(\.self), block.sorted(by: isBefore).flatMap(\.self))
    }
    let all = plan.pieces.flatMap(\.self).map(words)
    try requireEqual(
        "all \(what)", blocks.flatMap(\.self).sorted(by: isBefore).flatMap(\.self),
        all.sorted(by: isBefore).flatMap(\.self))
}

/// Pieces in the order of claims: tails last, and tiles by expert, across N, and by block of rows.
private func isBefore(_ a: [UInt32], _ b: [UInt32]) -> Bool {
    (min(a[4], 1), a[0], a[2], a[1]) < (min(b[4], 1), b[0], b[2], b[1])
}

/// One warp to a block; its first lane writes down the block's pieces.
private func scheduleKernel(_ configuration: GEMMConfiguration, room: Int) throws -> Kernel {
    try KernelBuilder.build("tile_schedule", threads: 32) { k in
        let counts = k.pointerParameter("counts", to: UInt32.self)
        let output = k.pointerParameter("output", to: UInt32.self)
        let firsts = k.pointerParameter("firsts", to: UInt32.self)
        let claims = k.pointerParameter("claims", to: UInt32.self)
        let tiles = ExpertTiles(k, configuration, counts: counts)
        let schedule = TileSchedule(k, tiles: tiles, counter: claims)
        tiles.initialise(k)
        k.if(k.isFirstThread) { schedule.initialise(k) }
        k.syncThreads()
        k.if(k.isFirstLane) {
            let place = k.variable(k.blockIndex * (room * wordsOfPiece))
            let likely = schedule.likelyFirst(k)
            for (index, word) in [likely.tile, likely.first, likely.end].enumerated() {
                k.store(word, to: firsts + k.blockIndex * 3 + index)
            }
            schedule.forEachPiece(k) { piece in
                func flag(_ condition: Condition?, _ value: UInt32) -> Value<UInt32> {
                    (condition ?? k.constant(false)).select(k.constant(value), k.constant(UInt32(0)))
                }
                let flags = flag(piece.cut?.isHead, 1) + flag(piece.cut?.isTail, 2)
                let tile = piece.tile
                let words = [
                    tile.expert, tile.block, tile.column, tile.rows, piece.firstStep, piece.endStep, flags,
                    k.constant(UInt32(0)),
                ]
                for (index, word) in words.enumerated() { k.store(word, to: output + place.value + index) }
                place.value = place.value + wordsOfPiece
                _ = schedule.claim(k, after: piece)
            }
        }
    }
}
