import KernelLanguage

/// All kernels that a layer of a given shape can use, in every configuration that can be chosen for it.
public struct KernelCatalogue: Sendable {
    /// The kernels, each once.
    public let kernels: [Kernel]

    /// Builds the kernels of `shape`.
    ///
    /// - Parameters:
    ///   - multiprocessors: How many a rank has for itself.
    ///   - link: The modelled link between ranks; nil for none.
    ///   - notesArrivals: Whether they note whom they wait for.
    public init(
        _ shape: LayerShape, multiprocessors: Int = 132, link: LinkModel? = nil, notesArrivals: Bool = false
    ) throws {
        var kernels: [Kernel] = []
        let signalCount = 2 * shape.rankExperts * signalBlocks(shape, blockM: 16)
        for format in DispatchFormat.allCases {
            let window = RankWindow(shape, format, link: link, notesArrivals: notesArrivals)
            kernels.append(try dispatchSendKernel(window, signalCount: signalCount))
            kernels.append(try dispatchReceiveKernel(window))
        }
        let window = RankWindow(shape, .float8, link: link, notesArrivals: notesArrivals)
        kernels.append(try combineSendKernel(CombineConfiguration(window: window, blockM: 16, signals: false)))
        kernels.append(try combineReceiveKernel(window))
        for blockM in GEMMConfiguration.blockHeights {
            kernels.append(
                try combineSendKernel(CombineConfiguration(window: window, blockM: blockM, signals: true)))
            kernels += try expertKernels(
                shape.expertsOfRank(blockM: blockM), ranks: window, multiprocessors: multiprocessors)
        }
        self.init(kernels)
    }

    /// These kernels, each once: what their names leave out still tells them apart.
    package init(_ kernels: [Kernel]) {
        var known: Set<KernelDigest> = []
        self.kernels = kernels.filter { known.insert($0.digest).inserted }
    }

    /// The shape that DeepSeek-V3 has on two ranks of 16 experts each.
    public static func deepSeekV3() throws -> KernelCatalogue {
        try KernelCatalogue(
            LayerShape(
                hidden: 7168, intermediate: 2048, experts: 32, topK: 8, ranks: 2, maxTokens: 128, sharedExperts: 1))
    }
}

/// Gate and up GEMM, one more for rows that arrive while it runs, the separate SwiGLU kernel where there is one, and the down
/// GEMM: plain, with signals, and sending rows home.
private func expertKernels(
    _ shape: ExpertShape, ranks: RankWindow, multiprocessors: Int
) throws -> [Kernel] {
    var gateUp = shape.gateUp(multiprocessors: multiprocessors)
    var kernels = [try groupedGEMMKernel(gateUp)]
    (gateUp.arriving, gateUp.signals) = (ranks, gateUp.output == .swiGLU)
    kernels.append(try groupedGEMMKernel(gateUp))
    if gateUp.output == .sums { kernels.append(try swiGLUKernel(shape)) }
    var down = shape.down(multiprocessors: multiprocessors)
    kernels.append(try groupedGEMMKernel(down))
    (down.signals, down.follows) = (true, gateUp.followedAfter)
    kernels.append(try groupedGEMMKernel(down))
    (down.signals, down.home) = (false, ranks)
    kernels.append(try groupedGEMMKernel(down))
    return kernels
}
