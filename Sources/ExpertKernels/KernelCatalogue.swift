import KernelLanguage

/// All kernels that a layer of a given shape can use, in every configuration that can be chosen for it.
package struct KernelCatalogue: Sendable {
    /// The kernels, each once.
    package let kernels: [Kernel]

    /// Builds the kernels of `shape`.
    ///
    /// - Parameters:
    ///   - multiprocessors: Multiprocessors that each rank has for itself.
    ///   - link: The modelled link between ranks; nil for none.
    ///   - notesArrivals: Whether kernels note which ranks they wait for, see `ArrivalNotes`.
    ///   - masks: Whether ranks are masked, see `RankMasks`; not with a link.
    ///   - network: Adapter that reaches ranks of other nodes; nil where there are none.
    ///   - networkModel: The modelled card of each rank; nil for none.
    ///   - scaleFormat: How scales of activations are rounded and stored. With `.exponents` there are no GEMMs.
    ///   - channelScales: Whether weights have a scale for each output channel.
    ///   - activation: Activation between an expert's two GEMMs.
    package init(
        _ shape: LayerShape, multiprocessors: Int = Hopper.multiprocessors, link: LinkModel? = nil,
        notesArrivals: Bool = false, masks: Bool = false, scaleFormat: ScaleFormat = .float32,
        network: NetworkAdapter? = nil, networkModel: NetworkModel? = nil, channelScales: Bool = false,
        activation: Activation = .plain
    ) throws {
        let masks = masks || network != nil
        var kernels: [Kernel] = []
        let signalCount = 2 * shape.rankExperts * signalBlocks(shape, blockM: 16)
        func window(_ format: DispatchFormat) -> RankWindow {
            RankWindow(
                shape, format, link: link, notesArrivals: notesArrivals, masks: masks, scaleFormat: scaleFormat,
                network: network, networkModel: networkModel)
        }
        for format in DispatchFormat.allCases where format == .float8 || scaleFormat != .exponents {
            let window = window(format)
            kernels.append(try dispatchSendKernel(window, signalCount: signalCount))
            kernels +=
                try masks
                ? UnpackFollower.allCases.map { try dispatchUnpackKernel(window, before: $0) }
                    + [UnpackFollower.kernel, .nothing].map {
                        try dispatchUnpackKernel(window, before: $0, totals: true)
                    }
                : [dispatchReceiveKernel(window), dispatchReceiveKernel(window, totals: true)]
        }
        let window = window(.float8)
        kernels.append(try combineSendKernel(CombineConfiguration(window: window, blockM: 16, signals: false)))
        kernels += try [false, true].map { try combineReceiveKernel(window, totals: $0) }
        if shape.sharedExperts > 0 { kernels.append(try combineReceiveKernel(window, sharedWeights: true)) }
        kernels.append(try rankBarrierKernel(window))
        for blockM in TileShape.heights {
            kernels.append(
                try combineSendKernel(CombineConfiguration(window: window, blockM: blockM, signals: true)))
            if scaleFormat == .exponents { continue }
            var experts = shape.expertsOfRank(blockM: blockM, scaleFormat: scaleFormat, activation: activation)
            experts.channelScales = channelScales
            kernels += try expertKernels(experts, ranks: window, multiprocessors: multiprocessors)
        }
        kernels += try shape.weightPackings().map { try packWeightsKernel($0) }
        self.init(kernels)
    }

    /// These kernels, each once by its digest: two of the same name may differ.
    package init(_ kernels: [Kernel]) {
        var known: Set<KernelDigest> = []
        self.kernels = kernels.filter { known.insert($0.digest).inserted }
    }

    /// The kernels for the sizes of DeepSeek-V3, on two ranks of 16 experts each.
    package static func deepSeekV3() throws -> KernelCatalogue {
        try KernelCatalogue(
            LayerShape(
                hidden: 7168, intermediate: 2048, experts: 32, topK: 8, ranks: 2, maxTokens: 128, sharedExperts: 1))
    }
}

/// All GEMMs of a rank's experts, and the separate SwiGLU kernel where the gate and up GEMM stores BF16.
private func expertKernels(
    _ shape: ExpertShape, ranks window: RankWindow, multiprocessors: Int
) throws -> [Kernel] {
    try ExpertGEMM.all(for: window).flatMap { gemm in
        let configuration = shape.configuration(gemm, window: window, multiprocessors: multiprocessors)
        let kernel = try groupedGEMMKernel(configuration)
        let needsSwiGLU = gemm == .arrivingGateUp && configuration.role.output == .bfloat16
        return try [kernel] + (needsSwiGLU ? [swiGLUKernel(shape)] : [])
    }
}
