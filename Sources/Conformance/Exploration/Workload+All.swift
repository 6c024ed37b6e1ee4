import ExpertKernels
import ExpertParallel

extension Workload {
    /// Work that runs every kernel there is, in every configuration whose ordering is its own, at sizes that make rings
    /// wrap around, split tiles or not, and fill several row blocks.
    package static func all() throws -> [Workload] {
        let link = try LinkModel(bytesPerSecond: 1e9, latencyNanoseconds: 500)
        let shape = try LayerShape(
            hidden: 256, intermediate: 128, experts: 6, topK: 2, ranks: 2, maxTokens: 3, sharedExperts: 1)
        let wide = try LayerShape(hidden: 256, intermediate: 256, experts: 4, topK: 2, ranks: 2, maxTokens: 18)
        let narrow = try LayerShape(hidden: 128, intermediate: 128, experts: 2, topK: 2, ranks: 2, maxTokens: 2)
        let large = try LayerShape(hidden: 512, intermediate: 256, experts: 4, topK: 2, ranks: 2, maxTokens: 3)
        let tall = try LayerShape(hidden: 512, intermediate: 128, experts: 4, topK: 2, ranks: 2, maxTokens: 3)
        // Few experts with a long K, which is cut into slices of few k-blocks.
        let alone = try LayerShape(hidden: 4096, intermediate: 128, experts: 11, topK: 1, ranks: 1, maxTokens: 1)
        let few = try LayerShape(hidden: 4096, intermediate: 128, experts: 22, topK: 1, ranks: 2, maxTokens: 1)
        let many = try LayerShape(hidden: 128, intermediate: 128, experts: 40, topK: 8, ranks: 2, maxTokens: 2)
        var gemms = TileShape.heights.flatMap {
            [
                // Behind another GEMM low tiles are split.
                gemm(counts: [$0 + 3, 0, 5], n: 384, k: 1024, blockM: $0, signals: true, dependent: true, grid: 5),
                gemm(counts: [5, 3], n: 384, k: 1408, blockM: $0, tileN: 128, signals: $0 == 64, grid: 5),
                activation(counts: [$0 + 1, 3, 1], blockM: $0),
            ]
        }
        // High ones only where K is long.
        gemms += [
            gemm(counts: [64, 3], n: 768, k: 4096, blockM: 64, signals: true, grid: 5),
            gemm(counts: [64, 3], n: 384, k: 4096, blockM: 128, signals: true, grid: 3),
            // More work tiles for a thread block than it has room for the numbers of those that it has fetched.
            gemm(counts: [1], n: 18 * 128, k: 128, blockM: 16, tileN: 128, signals: true, grid: 1),
        ]
        // K in slices: more sums than slots, and sums of high tiles.
        gemms += [
            gemm(counts: [33, 3], n: 384, k: 512, blockM: 16, tileN: 128, slices: 2, signals: true, grid: 2),
            gemm(counts: [64, 3], n: 256, k: 1024, blockM: 64, slices: 4, dependent: true, grid: 3),
        ]
        let masking = try maskWorkloads(narrow: narrow, tall: tall)
        let networks = try networkLayers(narrow: narrow, tall: tall)
        let ordered =
            try barrierWorkloads(narrow: narrow) + [false, true].map { try totals(localExperts: 20, masks: $0) }
        return OverlapMode.allCases.flatMap { mode in
            [
                layer(shape, tokens: [3, 2], overlap: mode),
                layer(narrow, tokens: [2, 1], overlap: mode, enqueueing: .streamed),
                layer(narrow, tokens: [2, 0], overlap: mode, enqueueing: .streamed),
                failingLayer(tall, tokens: [3, 2], overlap: mode, fault: .absentRank, multiprocessors: 4),
            ]
        }
            + [OverlapMode.singleBatch, .direct].flatMap { mode in
                [
                    layer(shape, tokens: [3, 2], overlap: mode, enqueueing: .replayed),
                    layer(shape, tokens: [3, 2], overlap: mode, link: link, multiprocessors: 4, communicating: 2),
                    layer(wide, tokens: [18, 17], overlap: mode, blockM: 16),
                    // No tiles are split.
                    layer(large, tokens: [3, 2], overlap: mode, blockM: 64),
                    layer(narrow, tokens: [2, 1], overlap: mode, multiprocessors: 4),
                    layer(tall, tokens: [3, 2], overlap: mode),
                    layer(narrow, tokens: [2, 1], overlap: mode, notesArrivals: true),
                    layer(narrow, tokens: [2, 1], overlap: mode, mapsWindowsAnew: true),
                    failingLayer(tall, tokens: [3, 2], overlap: mode, fault: .silentRank, multiprocessors: 4),
                    failingLayer(tall, tokens: [3, 2], overlap: mode, fault: .droppedSignal, multiprocessors: 4),
                ]
            } + [
                layer(narrow, tokens: [2, 1], overlap: .none, multiprocessors: 4),
                failingLayer(many, tokens: [1, 2], overlap: .none, fault: .silentRank, multiprocessors: 4),
                layer(shape, tokens: [3, 2], overlap: .singleBatch, communicating: 0),
                layer(shape, tokens: [3, 2], overlap: .direct, gate: true),
                layer(narrow, tokens: [2, 1], overlap: .singleBatch, enqueueing: .replayed, communicating: 0),
                layer(alone, tokens: [1], overlap: .direct, multiprocessors: 8),
                layer(few, tokens: [1, 1], overlap: .singleBatch, multiprocessors: 16, communicating: 0),
                layer(narrow, tokens: [2, 0], overlap: .singleBatch, enqueueing: .streamed, communicating: 0),
                failingLayer(
                    tall, tokens: [3, 2], overlap: .singleBatch, fault: .droppedSignal, multiprocessors: 2,
                    communicating: 0),
                try communication(.bfloat16, tokens: [3, 0, 2]), try communication(.float8, tokens: [3, 2]),
                try communication(.float8, tokens: [3, 2], localExperts: 20),
                try communication(.float8, tokens: [3, 2], link: link),
            ]
            + masking + ordered + gemms + StreamDirection.allCases.map(stream) + [packing()] + packets()
            + networks
    }
}
