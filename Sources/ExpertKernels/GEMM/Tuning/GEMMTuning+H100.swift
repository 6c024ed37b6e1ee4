extension GEMMTuning {
    /// An H100 with 80 GB and SXM socket.
    package static let h100 = GEMMTuning(
        card: "H100",
        // 5,120 bits at 2.6 GHz, both edges; 3.12 to 3.17 TB/s are read ("The read ceiling").
        memoryBytesPerSecond: 3_350_000_000_000,
        memoryYield: 0.94,
        mostStages: 8,
        // Two stages: "Two stages on their way instead of three …", and 32 KiB cost 3 %: "The same ring, but only 3, 2
        // or 1 stages loaded …". By itself it could do with a fifth less: "More stages on their way in a GEMM by itself
        // …".
        weightBytesInFlight: 65_536,
        weightBytesInFlightOfGrid: 200 * 32_768,
        // "The same with the tile that does come first".
        stagesPrefetchedFirst: 2,
        stagesPrefetchedBehindGEMM: 1,
        // With more rows the L2 has better use for its room, up to 2 %: "A block whose ring is full and whose rows are
        // not there …".
        stagesPrefetchedAhead: 4,
        // "Tiles of 64 rows with a short K never cut …", "Down by itself cut as well, with sums discarded".
        shortKBlocks: 32,
        leastSplitKBlocks: 3,
        leastSplits: 8,
        // "Tiles cut below half instead of a third of the blocks …", "Behind another GEMM, tiles of a long K cut below
        // a half …".
        splitsBelowAlone: Share(3, of: 4),
        splitsBelowBehindGEMM: Share(1, of: 2),
        // "Tiles of 32 rows cut below half of the blocks whatever K …", "Tiles of 128 rows cut where less than 1/8, 1/4
        // or 1/2 …".
        highestSplitOfShortK: 32,
        highestSplit: 64,
        // "Tiles of a long K shared evenly by two thirds of the blocks and more … chained behind itself".
        evenShare: Share(19, of: 20),
        // As on an H200, where 0.65 µs makes it 62 here: 86 thread blocks read as fast as all.
        kBlockSeconds: KBlockSeconds(upTo32Rows: 0.65e-6, upTo64Rows: 0.40e-6, upTo128Rows: 0.72e-6),
        // "With 128 rows, where tiles are short, as many blocks claim tiles as share them evenly and … (both)".
        spareBlocks: Share(1, of: 10),
        // "With that, tiles of a long K claimed 6, 8, 12 steps before their end …", "Blocks claim tiles one at a time
        // …".
        kBlocksLeftAtFetch: 8,
        kBlocksLeftAtFetchOfShortK: 4,
        // "The next kernel let loose 4, 12, 16, 24 steps before a block's end …".
        kBlocksLeftAtLaunch: 8)
}
