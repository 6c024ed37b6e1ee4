import KernelLanguage

/// All kernels that a layer of a given shape can use, in every configuration that can be chosen for it.
public struct KernelCatalogue: Sendable {
    /// The kernels, each with a unique name.
    public let kernels: [Kernel]

    /// Builds the kernels of `shape`.
    ///
    /// - Parameters:
    ///   - sharedIntermediate: Intermediate size of the shared expert; nil for none.
    ///   - multiprocessors: How many a rank has for itself.
    ///   - link: The modelled link between ranks; nil for none.
    public init(
        _ shape: LayerShape, sharedIntermediate: Int? = nil, multiprocessors: Int = 132, link: LinkModel? = nil
    ) throws {
        var kernels: [Kernel] = []
        let signalCount = shape.localExperts * signalBlocks(shape, blockM: 16)
        for format in DispatchFormat.allCases {
            let window = RankWindow(shape, format, link: link)
            kernels.append(try dispatchSendKernel(window, signalCount: signalCount))
            kernels.append(try dispatchReceiveKernel(window))
        }
        let window = RankWindow(shape, .float8, link: link)
        kernels.append(try combineSendKernel(CombineConfiguration(window: window, blockM: 16, signals: false)))
        kernels += try [false, true].map { try combineReceiveKernel(window, addsShared: $0) }
        for blockM in GEMMConfiguration.blockHeights {
            kernels.append(
                try combineSendKernel(CombineConfiguration(window: window, blockM: blockM, signals: true)))
            kernels += try expertKernels(
                shape.routedExperts(blockM: blockM), ranks: window, signals: [false, true],
                multiprocessors: multiprocessors)
        }
        if let sharedIntermediate {
            let shared = shape.sharedExpert(intermediate: sharedIntermediate)
            kernels.append(try quantiseKernel(hidden: shape.hidden, scaleRows: shared.scaleRows))
            kernels += try expertKernels(shared, ranks: nil, signals: [false], multiprocessors: multiprocessors)
        }
        // With one local expert the shared expert's kernels are the routed ones'.
        var names: Set<String> = []
        self.kernels = kernels.filter { names.insert($0.name).inserted }
    }

    /// The shape that DeepSeek-V3 has on two ranks of 16 experts each.
    public static func deepSeekV3() throws -> KernelCatalogue {
        try KernelCatalogue(
            LayerShape(hidden: 7168, intermediate: 2048, experts: 32, topK: 8, ranks: 2, maxTokens: 128),
            sharedIntermediate: 2048)
    }
}

/// Gate and up GEMM, one more for rows that arrive while it runs, the separate SwiGLU kernel where there is one, a down GEMM for
/// each element of `signals`, and one that sends rows home.
private func expertKernels(
    _ shape: ExpertShape, ranks: RankWindow?, signals: [Bool], multiprocessors: Int
) throws -> [Kernel] {
    var gateUp = shape.gateUp(multiprocessors: multiprocessors)
    var kernels = [try groupedGEMMKernel(gateUp)]
    if ranks != nil {
        gateUp.arriving = ranks
        kernels.append(try groupedGEMMKernel(gateUp))
    }
    if gateUp.output == .sums { kernels.append(try swiGLUKernel(shape)) }
    var down = shape.down(multiprocessors: multiprocessors)
    for raises in signals {
        down.signals = raises
        kernels.append(try groupedGEMMKernel(down))
    }
    if ranks != nil {
        (down.signals, down.home) = (false, ranks)
        kernels.append(try groupedGEMMKernel(down))
    }
    return kernels
}
