extension GEMMTuning {
    /// An H200 with 141 GB; also the default for unknown devices.
    ///
    /// Most numbers were chosen on an H100, and others tried on an H200: nothing is more than 0.5 % faster
    /// anywhere (G81).
    package static let h200 = GEMMTuning(
        card: "H200",
        // 6,144 bits at 3.2 GHz, both edges; 4.63 of 4.9 TB/s are read ("The read ceiling").
        memoryBytesPerSecond: 4_900_000_000_000,
        memoryYield: 0.94,
        mostStages: 8,
        // Two stages: G81. By itself 200 stages in all: G91.
        weightBytesInFlight: 65_536,
        weightBytesInFlightOfGrid: 200 * 32_768,
        stagesPrefetchedFirst: 2,
        stagesPrefetchedBehindGEMM: 1,
        stagesPrefetchedAhead: 4,
        // With 235 MB steps lose as much alone as they gain among other work; with 470 MB they lose 1 and gain 7: G145.
        clearingL2: ClearingL2(leastWeightBytes: 360_000_000, blockBytes: 28 * 32_768),
        // G89, G121.
        shortKBlocks: 32,
        // G120.
        leastSplitKBlocks: 3,
        leastSplits: 8,
        // G86, G116.
        splitsBelowAlone: Share(3, of: 4),
        splitsBelowBehindGEMM: Share(1, of: 2),
        // G34; 64 rows: G46; 128 rows: G77.
        highestSplitOfShortK: 32,
        highestSplit: 64,
        // Fewer cost up to 30 %, probably as thread blocks come to lie side by side where others have ended: G100,
        // chained behind itself.
        evenShare: Share(19, of: 20),
        // 64 and 128 rows as measured on 8 multiprocessors. With fewer half as many thread blocks would keep up, but
        // partials cost little, and 86 read 1 to 2 % more slowly than all: 0.65 µs makes it 91: G113.
        kBlockSeconds: KBlockSeconds(upTo32Rows: 0.65e-6, upTo64Rows: 0.40e-6, upTo128Rows: 0.72e-6),
        // The power that the tensor cores need is nearly the limit, and thread blocks that would have no last tile take
        // some of it: G84.
        spareBlocks: Share(1, of: 10),
        // G102, G63.
        kBlocksLeftAtFetch: 8,
        kBlocksLeftAtFetchOfShortK: 4,
        // G124.
        kBlocksLeftAtLaunch: 8)
}
