extension GEMMTuning {
    /// An H200 with 141 GB; also for what is not known better.
    ///
    /// Most numbers were chosen on an H100, and others tried on an H200: "nothing is more than 0.5 % faster anywhere"
    /// ("Three or four stages on their way; more or fewer stages fetched …").
    package static let h200 = GEMMTuning(
        card: "H200",
        // 6,144 bits at 3.2 GHz, both edges; 4.63 of 4.9 TB/s are read ("The read ceiling").
        memoryBytesPerSecond: 4_900_000_000_000,
        memoryYield: 0.94,
        mostStages: 8,
        // Two stages: "Three or four stages on their way …". By itself: "Two, three, four stages on their way on fewer
        // multiprocessors (both)", 200 stages in all.
        weightBytesInFlight: 65_536,
        weightBytesInFlightOfGrid: 200 * 32_768,
        stagesPrefetchedFirst: 2,
        stagesPrefetchedBehindGEMM: 1,
        stagesPrefetchedAhead: 4,
        // "With that, a GEMM by itself goes to as many blocks as share tiles evenly …", "With that, down by itself cut
        // (H200 …)".
        shortKBlocks: 32,
        // "Parts of at least 2, 3, 5, 8 steps of the 56 (H200 …)".
        leastSplitKBlocks: 3,
        leastSplits: 8,
        // "With that, tiles of a long K cut where less than three quarters …", "Behind another GEMM, tiles of a long K
        // cut below a half … (both)".
        splitsBelowAlone: Share(3, of: 4),
        splitsBelowBehindGEMM: Share(1, of: 2),
        // "Tiles of 32 rows cut below half of the blocks whatever K …"; 64 rows: "Tiles of 64 rows with a short K never
        // cut …"; 128 rows: "Tiles of 128 rows cut where less than 1/4, 1/2 or all … (H200)".
        highestSplitOfShortK: 32,
        highestSplit: 64,
        // Fewer cost up to 30 %, probably as thread blocks come to lie side by side where others have ended: "Tiles of
        // a long K shared evenly by two thirds of the blocks and more … chained behind itself".
        evenShare: Share(19, of: 20),
        // 64 and 128 rows as measured on 8 multiprocessors. With fewer half as many thread blocks would keep up, but
        // partials cost little, and 86 read 1 to 2 % more slowly than all: 0.65 µs makes it 91. "Where tiles are cut,
        // blocks without a share of them spread among the others … (both)".
        kBlockSeconds: KBlockSeconds(upTo32Rows: 0.65e-6, upTo64Rows: 0.40e-6, upTo128Rows: 0.72e-6),
        // The power that the tensor cores need is nearly the limit, and thread blocks that would have no last tile take
        // some of it: "With 128 rows, where tiles are short, as many blocks claim tiles as share them evenly and …
        // (both)".
        spareBlocks: Share(1, of: 10),
        // "With that, tiles of a long K claimed 6, 8, 12 steps before their end …", "Blocks claim tiles one at a time
        // …".
        kBlocksLeftAtFetch: 8,
        kBlocksLeftAtFetchOfShortK: 4,
        // "The next kernel let loose only when a block claims in vain, and not eight steps before … (H200)".
        kBlocksLeftAtLaunch: 8)
}
