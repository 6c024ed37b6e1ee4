import Accelerator
import ExpertKernels
import KernelLanguage

/// The schedule that a grid follows against the plan on the host.
func tilePlanCases() -> [ConformanceCase] {
    let shapes: [(counts: [Int], n: Int, k: Int)] = [
        ([0, 0, 0], 512, 256), ([1], 128, 128), ([3, 0, 40, 17, 129], 640, 384), ([64, 64, 64], 1024, 1152),
        ([64, 3, 70], 640, 4096),
        ((0..<70).map { $0 * 5 % 33 }, 384, 256), ((0..<19).map { $0 % 3 + 1 }, 512, 256),
    ]
    return [1, 4].flatMap { slices in
        TileShape.heights.map { scheduleCase(TileShape(m: $0, slices: slices), shapes) }
    }
}

private func scheduleCase(_ tile: TileShape, _ shapes: [(counts: [Int], n: Int, k: Int)]) -> ConformanceCase {
    ConformanceCase(
        "tile schedule blockM=\(tile.m)" + (tile.slices == 1 ? "" : " slices=\(tile.slices)")
    ) { device in
        for shape in shapes where shape.k / 128 >= tile.slices {
            // On a grid of 15, 38 tiles of high row blocks behind another kernel go to 14 thread blocks: more than
            // share them evenly, and not all.
            for gridSize in [1, 2, 5, 7, 8, 15, 16, 20] {
                let problem = GEMMProblem(
                    n: shape.n, k: shape.k, experts: shape.counts.count, maxRows: max(shape.counts.max() ?? 0, 1))
                for launch in Launch.allCases {
                    try check(
                        device, launch.configuration(problem, tile), counts: shape.counts, gridSize: gridSize)
                }
            }
        }
    }
}

/// What the schedule depends on besides the shape.
private enum Launch: CaseIterable {
    case alone, aloneOnSlowMemory, behindGEMM, behindDispatch

    func configuration(_ problem: GEMMProblem, _ tile: TileShape) -> GEMMConfiguration {
        switch self {
        case .alone: GEMMConfiguration(problem, tile: tile)
        case .aloneOnSlowMemory:
            GEMMConfiguration(problem, tile: tile, tuning: .device(memoryBytesPerSecond: 1_000_000_000_000))
        case .behindGEMM: GEMMConfiguration(problem, tile: tile, role: .plain(launch: .behindGEMM))
        case .behindDispatch: GEMMConfiguration(problem, tile: tile, role: .gateUp(.bfloat16))
        }
    }
}

/// Words that the kernel writes for each work tile.
private let wordsOfWorkTile = 8

private func check(_ device: any Device, _ configuration: GEMMConfiguration, counts: [Int], gridSize: Int) throws {
    let (m, kBlocks) = (configuration.tile.m, configuration.problem.kBlocks)
    let plan = TilePlan(configuration, counts: counts, gridSize: gridSize)
    let room = plan.tiles * plan.slices + 1
    let stream = try device.makeStream(label: "tile schedule")
    let firsts = try device.makeBuffer([UInt32](repeating: .max, count: gridSize * 3), label: "likely first work tiles")
    let rows = try device.makeBuffer(counts.map(UInt32.init), label: "counts")
    let counter = try device.makeBuffer([UInt32(0)], label: "counter")
    let kernel = try device.load(scheduleKernel(configuration, room: room))
    func launch() throws -> [UInt32] {
        let words = gridSize * room * wordsOfWorkTile
        let output = try device.makeBuffer([UInt32](repeating: .max, count: words), label: "work tiles")
        try device.launch(
            kernel, blocks: gridSize, arguments: [rows, output, firsts, counter].map { .address($0.address) },
            dependentLaunch: false, on: stream)
        try device.synchronize(stream)
        return try device.read(UInt32.self, count: words, from: output)
    }

    func words(_ workTile: TilePlan.WorkTile) -> [UInt32] {
        let rows = min(counts[workTile.expert] - workTile.rowBlock * m, m)
        let range = workTile.kBlocks
        let flags = (range.upperBound < kBlocks ? 1 : 0) + (range.lowerBound > 0 ? 2 : 0)
        return [
            workTile.expert, workTile.rowBlock, workTile.column, rows, range.lowerBound, range.upperBound, flags,
            plan.slices > 1 ? 1 : 0,
        ].map(UInt32.init)
    }
    let what = "work tiles of \(plan), counts \(counts.prefix(8)),"
    // The second launch finds the counter as the first left it.
    for _ in 0..<2 { try checkOrder(what, plan, launch(), room: room, words: words) }

    // Whatever the counts, thread blocks guess what comes first if every expert has one row block.
    let likely = TilePlan(configuration, counts: counts.map { _ in 1 }, gridSize: gridSize)
    let guesses = try device.read(UInt32.self, count: gridSize * 3, from: firsts)
    for (block, workTiles) in likely.workTilesOfBlocks.enumerated() {
        let (tile, first, end) = (guesses[3 * block], guesses[3 * block + 1], guesses[3 * block + 2])
        let guess = first < end ? [tile, first, end] : []
        let actual = workTiles.prefix(1).flatMap {
            [$0.expert * configuration.tilesAcross + $0.column, $0.kBlocks.lowerBound, $0.kBlocks.upperBound].map(
                UInt32.init)
        }
        try requireEqual("likely first work tile of block \(block) of \(likely)", guess, actual)
    }
}

/// Each work tile must come to one thread block, in order, and the first of each thread block is known.
private func checkOrder(
    _ what: String, _ plan: TilePlan, _ found: [UInt32], room: Int, words: (TilePlan.WorkTile) -> [UInt32]
) throws {
    let blocks = plan.workTilesOfBlocks.indices.map { block in
        (block * room..<(block + 1) * room).map { Array(found[$0 * wordsOfWorkTile..<($0 + 1) * wordsOfWorkTile]) }
            .filter { $0 != [UInt32](repeating: .max, count: wordsOfWorkTile) }
    }
    let firsts = plan.workTilesOfBlocks.flatMap { $0.prefix(1).flatMap(words) }
    try requireEqual("first \(what)", blocks.flatMap { $0.first ?? [] }, firsts)
    for block in blocks {
        try requireEqual("order of \(what)", block.flatMap(\.self), block.sorted(by: isBefore).flatMap(\.self))
    }
    let all = plan.workTilesOfBlocks.flatMap(\.self).map(words)
    try requireEqual(
        "all \(what)", blocks.flatMap(\.self).sorted(by: isBefore).flatMap(\.self),
        all.sorted(by: isBefore).flatMap(\.self))
}

/// Work tiles in the order in which they are fetched: second splits last, and tiles by expert, across N, and by row
/// block; slices of a tile one after the other.
private func isBefore(_ a: [UInt32], _ b: [UInt32]) -> Bool {
    func place(_ words: [UInt32]) -> (UInt32, UInt32, UInt32, UInt32, UInt32) {
        let isSlice = words[7] == 1
        return (isSlice ? 0 : min(words[4], 1), words[0], words[2], words[1], isSlice ? words[4] : 0)
    }
    return place(a) < place(b)
}

/// One warp to a thread block; its first lane writes down the thread block's work tiles.
private func scheduleKernel(_ configuration: GEMMConfiguration, room: Int) throws -> Kernel {
    try KernelBuilder.build("tile_schedule", threads: 32) { k in
        let counts = k.pointerParameter("counts", to: UInt32.self)
        let output = k.pointerParameter("output", to: UInt32.self)
        let firsts = k.pointerParameter("firsts", to: UInt32.self)
        let counter = k.pointerParameter("counter", to: UInt32.self)
        let tiles = ExpertTiles(k, configuration, counts: counts)
        let scheduler = TileScheduler(k, tiles: tiles, counter: counter)
        tiles.initialise(k)
        k.if(k.isFirstThread) { scheduler.initialise(k) }
        k.syncThreads()
        k.if(k.isFirstLane) {
            let place = k.variable(k.blockIndex * (room * wordsOfWorkTile))
            let likely = scheduler.likelyFirst(k)
            for (index, word) in [likely.tile, likely.firstKBlock, likely.endKBlock].enumerated() {
                k.store(word, to: firsts + k.blockIndex * 3 + index)
            }
            scheduler.forEachWorkTile(k) { workTile in
                func flag(_ condition: Condition?, _ value: UInt32) -> Value<UInt32> {
                    (condition ?? k.constant(false)).select(k.constant(value), k.constant(UInt32(0)))
                }
                let flags =
                    flag(workTile.split?.writesPartials ?? workTile.slice.map { !$0.isLast }, 1)
                    + flag(workTile.split?.readsPartials ?? workTile.slice.map { _ in workTile.firstKBlock > 0 }, 2)
                let tile = workTile.tile
                let words = [
                    tile.expert, tile.rowBlock, tile.column, tile.rows, workTile.firstKBlock, workTile.endKBlock,
                    flags, k.constant(UInt32(workTile.slice == nil ? 0 : 1)),
                ]
                for (index, word) in words.enumerated() { k.store(word, to: output + place.value + index) }
                place.value = place.value + wordsOfWorkTile
                _ = scheduler.fetchNext(k, after: workTile)
            }
        }
    }
}
