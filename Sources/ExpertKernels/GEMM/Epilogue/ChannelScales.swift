import KernelLanguage

/// Scales of output channels, where each row of the weights has one of its own beside those of blocks: they multiply
/// finished sums, before anything is rounded.
///
/// Lanes load them before the tile is multiplied and keep them, so that the epilogue does not wait for memory.
struct ChannelScales {
    /// Float32 `[experts, n]`, in the order of the packed weights' rows.
    private let scales: Pointer<Float>
    private let configuration: GEMMConfiguration

    init(_ scales: Pointer<Float>, _ configuration: GEMMConfiguration) {
        self.scales = scales
        self.configuration = configuration
    }

    /// Loads the scales of a tile that the lane keeps.
    func load(_ k: KernelBuilder, _ tile: ExpertTiles.Tile) -> [Value<Float>] {
        let problem = configuration.problem
        let group = (k.warpIndex >> 2).multiply(
            configuration.pipeline.groupChannels, add: tile.column * configuration.tile.n)
        let kept = configuration.fragment.keptChannels(k)
        return kept.firsts.flatMap { first in
            // Of the last tile, the second half may not be there.
            let channel = (group + first).minimum(problem.n - kept.run)
            return k.loadVector(
                scales + tile.expert.multiply(problem.n, add: channel), count: kept.run, cache: .readOnly)
        }
    }

    /// Multiplies finished sums, in the order of the tile's fragment, given what `load` returned. All lanes call it.
    func multiply(_ k: KernelBuilder, _ sums: [Variable<Float>], by kept: [Value<Float>]) {
        let scales = configuration.fragment.scalesOfProducts(k, kept)
        for (index, sum) in sums.enumerated() { sum.value = sum.value * scales[index % scales.count] }
    }
}
