import KernelLanguage

/// All kernels that a layer of a given shape can use, in every configuration that can be chosen for it.
public struct KernelCatalogue: Sendable {
    /// The kernels, each with a unique name.
    public let kernels: [Kernel]

    /// Builds the kernels of `shape`.
    ///
    /// - Parameter sharedIntermediate: Intermediate size of the shared expert; nil for none.
    public init(_ shape: LayerShape, sharedIntermediate: Int? = nil) throws {
        var kernels: [Kernel] = []
        for format in DispatchFormat.allCases {
            let window = RankWindow(shape, format)
            kernels.append(try dispatchSendKernel(window))
            kernels.append(
                try dispatchReceiveKernel(window, signalCount: shape.localExperts * signalBlocks(shape, blockM: 16)))
        }
        let window = RankWindow(shape, .float8)
        kernels.append(try combineSendKernel(CombineConfiguration(window: window, blockM: 16, signals: false)))
        kernels += try [false, true].map { try combineReceiveKernel(window, addsShared: $0) }
        for blockM in GEMMConfiguration.blockHeights {
            let gemm = GEMMConfiguration(
                n: 2 * shape.intermediate, k: shape.hidden, experts: shape.localExperts, maxRows: shape.maxRows,
                scaleRows: shape.scaleRows, blockM: blockM)
            kernels.append(
                try combineSendKernel(CombineConfiguration(window: window, blockM: blockM, signals: true)))
            var down = gemm
            (down.n, down.k) = (shape.hidden, shape.intermediate)
            var signalling = down
            signalling.signals = true
            kernels += try [gemm, down, signalling].map { try groupedGEMMKernel($0) }
        }
        kernels.append(
            try swiGLUKernel(
                intermediate: shape.intermediate, experts: shape.localExperts, maxRows: shape.maxRows,
                scaleRows: shape.scaleRows))
        if let sharedIntermediate {
            kernels += try sharedKernels(shape, sharedIntermediate)
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

/// The kernels that only the shared expert uses.
private func sharedKernels(_ shape: LayerShape, _ intermediate: Int) throws -> [Kernel] {
    let scaleRows = GEMMConfiguration.scaleRows(shape.maxTokens)
    let up = GEMMConfiguration(
        n: 2 * intermediate, k: shape.hidden, experts: 1, maxRows: shape.maxTokens, scaleRows: scaleRows,
        blockM: GEMMConfiguration.blockM(holding: shape.maxTokens))
    var down = up
    (down.n, down.k) = (shape.hidden, intermediate)
    return [
        try quantiseKernel(hidden: shape.hidden, scaleRows: scaleRows),
        try groupedGEMMKernel(up),
        try groupedGEMMKernel(down),
        try swiGLUKernel(
            intermediate: intermediate, experts: 1, maxRows: shape.maxTokens, scaleRows: scaleRows),
    ]
}
