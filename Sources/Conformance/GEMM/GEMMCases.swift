import Accelerator
import ExpertKernels
import ExpertParallel
import KernelLanguage

/// The grouped GEMM alone: uneven counts, every tile height, with and without signals.
func gemmCases() -> [ConformanceCase] {
    signalCases() + sizeCases() + scaleCases() + variantCases() + channelScaleCases() + sliceCases()
}

private func signalCases() -> [ConformanceCase] {
    var cases: [ConformanceCase] = []
    for blockM in TileShape.heights {
        for dependent in [false, true] {
            for signals in [false, true] {
                cases.append(
                    gemmCase(
                        counts: [0, 1, 65, 16, 64, 63, 129], n: 256, k: 1024, blockM: blockM, signals: signals,
                        dependent: dependent))
            }
        }
    }
    return cases
}

/// SwiGLU with activations rounded in each way.
private func scaleCases() -> [ConformanceCase] {
    ScaleFormat.allCases.filter { $0 != .exponents }.flatMap { scales in
        TileShape.heights.map { activationCase(counts: [0, 1, 65, 16, 130], blockM: $0, scales: scales) }
    }
}

private func sizeCases() -> [ConformanceCase] {
    let remainders = (0..<300).map { (number: Int) -> Int in number % 7 == 3 ? number % 5 : 0 }
    return [
        gemmCase(counts: [0, 1, 65, 16, 129], n: 384, k: 512, blockM: 16, tileN: 128, signals: true),
        gemmCase(counts: [0, 1, 65, 16, 129], n: 384, k: 512, blockM: 64, tileN: 128, signals: false),
        gemmCase(counts: [0, 1, 65, 16, 129], n: 384, k: 512, blockM: 128, tileN: 128, signals: true),
        gemmCase(counts: [3], n: 128, k: 128, blockM: 16, signals: false),
        gemmCase(counts: [17, 0, 0, 2], n: 128, k: 2048, blockM: 32, signals: true),
        gemmCase(counts: [0, 0], n: 256, k: 128, blockM: 64, signals: true),
        // One and two k-blocks more than there are stages.
        gemmCase(counts: [64, 0, 3], n: 512, k: 768, blockM: 64, signals: true),
        gemmCase(counts: [5, 16], n: 640, k: 1024, blockM: 16, signals: true),
        gemmCase(counts: [5, 16], n: 896, k: 1152, blockM: 16, signals: true),
        // Tiles of a long K are split whatever their height.
        gemmCase(counts: [16, 0, 3], n: 1024, k: 4096, blockM: 16, signals: false),
        activationCase(counts: [16, 9, 0, 3, 1], hidden: 4096, blockM: 16),
        gemmCase(counts: [64, 0, 3], n: 1024, k: 4096, blockM: 32, signals: true),
        gemmCase(counts: [64, 0, 3], n: 1024, k: 4096, blockM: 64, signals: true),
        activationCase(counts: [64, 9, 0, 3, 1], hidden: 4096, blockM: 64),
        gemmCase(counts: [100, 0, 7], n: 384, k: 4096, blockM: 128, signals: true),
        activationCase(counts: [100, 0, 3], hidden: 4096, blockM: 128),
        gemmCase(
            counts: remainders, n: 128, k: 128, blockM: 16, signals: false),
        tileHeightCase(counts: [0, 1, 65, 16, 129], n: 384, k: 640),
        // Work tiles that are fetched before the one before them ends and, with a short K, at its end; and tiles that
        // are split.
        chainCase(counts: [129, 3, 65], n: 768, k: 1024, blockM: 128),
        chainCase(counts: [129, 3, 65], n: 768, k: 256, blockM: 128),
        chainCase(counts: [64, 3, 65], n: 768, k: 1024, blockM: 64),
        chainCase(counts: [5, 16, 17], n: 896, k: 1152, blockM: 16),
    ]
}

/// Variants of SwiGLU, with limits of routed and shared experts of their own, and with a factor and an offset.
private func variantCases() -> [ConformanceCase] {
    let ofHeights = TileShape.heights.map {
        activationCase(
            counts: [3, 1, 65, 16, 130], blockM: $0,
            activation: Activation(limit: 0.5, sharedLimit: 2, clamping: .output), sharedExperts: 2)
    }
    return ofHeights + [
        activationCase(counts: [0, 65, 16], blockM: 64, activation: Activation(limit: 1)),
        activationCase(
            counts: [0, 65, 16], blockM: 32, scales: .powerOfTwo,
            activation: Activation(limit: 7, alpha: 1.702, offset: 1)),
    ]
}

/// Weights with a scale for each row, also with narrow tiles, with tiles that are half full, and with tiles that are
/// split along K, whose partials are not scaled.
private func channelScaleCases() -> [ConformanceCase] {
    TileShape.heights.flatMap { blockM in
        [
            gemmCase(
                counts: [0, 1, 65, 16, 129], n: 384, k: 640, blockM: blockM, signals: true, channelScales: true),
            gemmCase(
                counts: [3, 17, 70], n: 384, k: 512, blockM: blockM, tileN: 128, signals: false, dependent: true,
                channelScales: true),
            gemmCase(
                counts: [16, 0, 3], n: 1024, k: 4096, blockM: blockM, signals: false, channelScales: true),
            activationCase(counts: [0, 1, 65, 16, 130], blockM: blockM, channelScales: true),
            activationCase(counts: [16, 9, 0, 3], hidden: 4096, blockM: blockM, channelScales: true),
        ]
    } + [tileHeightCase(counts: [0, 1, 65, 16, 129], n: 384, k: 640, channelScales: true)]
}

/// K in slices: of equal and unequal lengths, as many work tiles as there are slots for sums, and more.
private func sliceCases() -> [ConformanceCase] {
    let ofHeights = TileShape.heights.flatMap { blockM in
        [2, 8].map { slices in
            gemmCase(
                counts: [16, 0, 3], n: 512, k: 2176, blockM: blockM, slices: slices, signals: true,
                dependent: slices == 8)
        }
    }
    return ofHeights + [
        gemmCase(counts: [1, 70, 33], n: 640, k: 1024, blockM: 16, tileN: 128, slices: 4, signals: true),
        gemmCase(counts: [129], n: 384, k: 1024, blockM: 64, slices: 4, signals: false, channelScales: true),
    ]
}

private func gemmCase(
    counts: [Int], n: Int, k: Int, blockM: Int, tileN: Int = 256, slices: Int = 1, signals: Bool,
    dependent: Bool = false, channelScales: Bool = false
) -> ConformanceCase {
    let few = counts.count <= 8 ? "\(counts)" : "\(counts.prefix(8))… of \(counts.count)"
    let options =
        "signals=\(signals)" + (dependent ? " dependent" : "") + (channelScales ? " channel scales" : "")
        + (slices == 1 ? "" : " slices=\(slices)")
    return ConformanceCase("gemm counts=\(few) n=\(n) k=\(k) blockM=\(blockM) tileN=\(tileN) \(options)") { device in
        let maxRows = max(counts.max() ?? 0, 1) + 5
        var configuration = GEMMConfiguration(
            GEMMProblem(n: n, k: k, experts: counts.count, maxRows: maxRows),
            tile: TileShape(m: blockM, n: tileN, slices: slices),
            role: .plain(launch: dependent ? .behindGEMM : .alone, signals: signals))
        configuration.channelScales = channelScales
        let trial = try GEMMTrial(device, configuration, counts: counts, maxGrid: 16)
        let first = try trial.run(blocks: 7)
        try trial.check(first)
        // The sums of a row depend on K and its slices alone: any grid gives the same bits, wherever it splits tiles.
        for blocks in [1, 3, 16] {
            try requireEqual("output on a grid of \(blocks)", try trial.run(blocks: blocks), first)
        }
    }
}

/// Whichever operand of the tensor cores the weights are, a row has the same bits.
private func tileHeightCase(counts: [Int], n: Int, k: Int, channelScales: Bool = false) -> ConformanceCase {
    let name = "gemm counts=\(counts) n=\(n) k=\(k) at every tile height"
    return ConformanceCase(name + (channelScales ? ", channel scales" : "")) { device in
        let maxRows = (counts.max() ?? 0) + 3
        var first: [UInt16]?
        for blockM in TileShape.heights {
            var configuration = GEMMConfiguration(
                GEMMProblem(n: n, k: k, experts: counts.count, maxRows: maxRows), tile: TileShape(m: blockM))
            configuration.channelScales = channelScales
            let output = try GEMMTrial(device, configuration, counts: counts, maxGrid: 5).run(blocks: 5)
            if let first {
                try requireEqual("output of tiles of \(blockM) rows", output, first)
            } else {
                first = output
            }
        }
    }
}

/// Dependent launches with the same scratch: each begins before the one before it has ended, and finds there what that
/// leaves.
private func chainCase(counts: [Int], n: Int, k: Int, blockM: Int) -> ConformanceCase {
    ConformanceCase("gemm counts=\(counts) n=\(n) k=\(k) blockM=\(blockM) behind itself") { device in
        let maxRows = (counts.max() ?? 0) + 3
        let configuration = GEMMConfiguration(
            GEMMProblem(n: n, k: k, experts: counts.count, maxRows: maxRows), tile: TileShape(m: blockM),
            role: .plain(launch: .behindGEMM))
        let trial = try GEMMTrial(device, configuration, counts: counts, maxGrid: 5, launches: 4)
        for blocks in [3, 5] {
            for (launch, output) in try trial.runAll(blocks: blocks).enumerated() {
                do { try trial.check(output) } catch {
                    throw ConformanceFailure("launch \(launch) on a grid of \(blocks): \(error)")
                }
            }
        }
    }
}

/// SwiGLU and quantisation in the GEMM against the GEMM and the separate kernel, bit for bit.
private func activationCase(
    counts: [Int], hidden: Int = 384, blockM: Int, scales: ScaleFormat = .float32, channelScales: Bool = false,
    activation: Activation = .plain, sharedExperts: Int = 0
) -> ConformanceCase {
    let name = "gemm with SwiGLU counts=\(counts) k=\(hidden) blockM=\(blockM)"
    let options =
        (scales == .float32 ? "" : " scales=\(scales.rawValue)") + (channelScales ? " channel scales" : "")
        + (activation == .plain ? "" : " activation=[\(activation)] shared=\(sharedExperts)")
    return ConformanceCase(name + options) { device in
        let trial = try ActivationTrial(
            device, counts: counts, intermediate: 256, hidden: hidden, blockM: blockM, scales: scales,
            channelScales: channelScales, activation: activation, sharedExperts: sharedExperts)
        let separate = try trial.runSeparate()
        if activation != .plain {
            let plain = try ActivationTrial(
                device, counts: counts, intermediate: 256, hidden: hidden, blockM: blockM, scales: scales)
            try require(plain.runSeparate().scales != separate.scales, "the activation changes nothing")
        }
        for blocks in [1, 3, 7, 15] {
            let fused = try trial.runFused(blocks: blocks)
            try requireEqual("rows on a grid of \(blocks)", fused.rows, separate.rows)
            try requireEqual("scales on a grid of \(blocks)", fused.scales, separate.scales)
        }
    }
}
