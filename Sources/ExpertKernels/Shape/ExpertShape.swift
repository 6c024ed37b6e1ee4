/// Sizes of the experts that one launch works on, those of a rank, and the activation between their GEMMs.
package struct ExpertShape: Hashable, Sendable {
    /// Channels of a row, a multiple of 128.
    package var hidden: Int
    /// Channels between an expert's two GEMMs, a multiple of 128.
    package var intermediate: Int
    /// Number of experts.
    package var experts: Int
    /// Rows that there is room for per expert.
    package var maxRows: Int
    /// Rows of a row block, `TileShape.m` of both GEMMs.
    package var blockM: Int
    /// The same for the whole batch, where this is for half of one: it sets split-K, so that both have the same sums.
    package var wholeBlockM: Int
    /// How scales of activations between the two GEMMs are rounded; they are stored in Float32.
    package var scaleFormat: ScaleFormat
    /// Whether weights of both GEMMs have a scale for each output channel.
    package var channelScales = false
    /// The activation between the two GEMMs.
    package var activation: Activation
    /// Number of shared experts, which are the first.
    package var sharedExperts: Int

    /// Sizes as given.
    package init(
        hidden: Int, intermediate: Int, experts: Int, maxRows: Int, blockM: Int, scaleFormat: ScaleFormat = .float32,
        activation: Activation = .plain, sharedExperts: Int = 0
    ) {
        self.hidden = hidden
        self.intermediate = intermediate
        self.experts = experts
        self.maxRows = maxRows
        self.blockM = blockM
        wholeBlockM = blockM
        self.scaleFormat = scaleFormat
        self.activation = activation
        self.sharedExperts = sharedExperts
    }

    var expertActivation: ExpertActivation { ExpertActivation(activation, sharedExperts: sharedExperts) }

    /// Rows of a scale array.
    package var scaleRows: Int { ScaleGroup.rows(maxRows) }

    /// Bytes that both GEMMs keep in the L2 for `counts[e]` rows of each expert; see `GEMMConfiguration.keptBytes`.
    package func keptBytes(counts: [Int], multiprocessors: Int) -> Int {
        [gateUp(multiprocessors: multiprocessors), down(multiprocessors: multiprocessors)]
            .map { $0.keptBytes(counts: counts, gridSize: multiprocessors) }
            .reduce(0, +)
    }
}

extension LayerShape {
    /// All experts of one rank, in row blocks of `blockM` rows.
    package func expertsOfRank(
        blockM: Int, scaleFormat: ScaleFormat = .float32, activation: Activation = .plain
    ) -> ExpertShape {
        ExpertShape(
            hidden: paddedHidden, intermediate: paddedIntermediate, experts: rankExperts, maxRows: maxRows,
            blockM: blockM, scaleFormat: scaleFormat, activation: activation, sharedExperts: sharedExperts)
    }
}
