extension GEMMTuning {
    /// An H100 with 80 GB and SXM socket.
    package static let h100 = GEMMTuning(
        card: "H100",
        // 5,120 bits at 2.6 GHz, both edges; 3.12 to 3.17 TB/s are read ("The read ceiling").
        memoryBytesPerSecond: 3_350_000_000_000,
        memoryYield: 0.94,
        mostStages: 8,
        // Two stages: G37, and one costs 3 %: G36. By itself it could do with a fifth less: G104.
        weightBytesInFlight: 65_536,
        weightBytesInFlightOfGrid: 200 * 32_768,
        // G56.
        stagesPrefetchedFirst: 2,
        stagesPrefetchedBehindGEMM: 1,
        // With more rows the L2 has better use for its room, up to 2 %: G43.
        stagesPrefetchedAhead: 4,
        // Not measured.
        clearingL2: nil,
        // G46, G110.
        shortKBlocks: 32,
        leastSplitKBlocks: 3,
        leastSplits: 8,
        // G29, G116.
        splitsBelowAlone: Share(3, of: 4),
        splitsBelowBehindGEMM: Share(1, of: 2),
        // G34, G66.
        highestSplitOfShortK: 32,
        highestSplit: 64,
        // G100, chained behind itself.
        evenShare: Share(19, of: 20),
        // As on an H200, where 0.65 µs makes it 62 here: 86 thread blocks read as fast as all.
        kBlockSeconds: KBlockSeconds(upTo32Rows: 0.65e-6, upTo64Rows: 0.40e-6, upTo128Rows: 0.72e-6),
        // G84.
        spareBlocks: Share(1, of: 10),
        // G102, G63.
        kBlocksLeftAtFetch: 8,
        kBlocksLeftAtFetchOfShortK: 4,
        // G44.
        kBlocksLeftAtLaunch: 8)
}
