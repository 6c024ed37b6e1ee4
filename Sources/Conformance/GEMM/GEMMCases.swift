import Accelerator
import ExpertKernels
import ExpertParallel
import KernelLanguage

/// The grouped GEMM alone: uneven counts, every block height, with and without signals.
func gemmCases() -> [ConformanceCase] {
    GEMMConfiguration.blockHeights.flatMap { blockM in
        [false, true].map { signals in
            gemmCase(counts: [0, 1, 65, 16, 64, 63, 129], n: 256, k: 384, blockM: blockM, signals: signals)
        }
    } + [
        gemmCase(counts: [3], n: 128, k: 128, blockM: 16, signals: false),
        gemmCase(counts: [17, 0, 0, 2], n: 128, k: 2048, blockM: 32, signals: true),
        gemmCase(counts: [0, 0], n: 256, k: 128, blockM: 64, signals: true),
    ]
}

private func gemmCase(counts: [Int], n: Int, k: Int, blockM: Int, signals: Bool) -> ConformanceCase {
    ConformanceCase("gemm counts=\(counts) n=\(n) k=\(k) blockM=\(blockM) signals=\(signals)") { device in
        let maxRows = max(counts.max() ?? 0, 1) + 5
        let configuration = GEMMConfiguration(
            n: n, k: k, experts: counts.count, maxRows: maxRows, scaleRows: GEMMConfiguration.scaleRows(maxRows),
            blockM: blockM,
            signals: signals)
        let trial = try GEMMTrial(device, configuration, counts: counts)
        // The sums of a row depend on K alone: any grid gives the same bits.
        let first = try trial.run(blocks: 7)
        try trial.check(first)
        try requireEqual("output on another grid", try trial.run(blocks: 3), first)
    }
}
