import Accelerator
import ExpertParallel
import KernelLanguage

/// Several layers on the ranks of this process, with the same weights in memory of their own, which steps go round as
/// those of a model do.
struct LayerSets {
    let group: RankGroup
    /// For each layer, those of the ranks.
    private let layers: [[MoELayer]]

    /// Packs `count` layers.
    init(_ group: RankGroup, _ weights: BenchWeights, count: Int) throws {
        self.group = group
        layers = try (0..<count).map { _ in
            try group.ranks.map { try MoELayer($0, weights: weights.weights) }
        }
    }

    /// Number of layers.
    var count: Int { layers.count }

    /// Enqueues step `number` of the rank at `place` among those of this process.
    func enqueue(_ number: Int, place: Int, _ mode: OverlapMode) throws {
        try layers[number % layers.count][place].enqueue(overlap: mode)
    }

    /// The outputs of a step with these inputs, which all layers must agree on. Throws `LayerSetsError`.
    func outputs(_ inputs: [RankInput]) throws -> [[BFloat16]] {
        try group.load(inputs)
        var expected: [[BFloat16]]?
        for number in layers.indices {
            for place in group.ranks.indices { try enqueue(number, place: place, .none) }
            try group.synchronize()
            let outputs = try lastOutputs(inputs)
            guard outputs == expected ?? outputs else { throw LayerSetsError(layer: number) }
            expected = outputs
        }
        return expected ?? []
    }

    /// The outputs of the last step.
    func lastOutputs(_ inputs: [RankInput]) throws -> [[BFloat16]] {
        try zip(group.ranks, inputs).map { try $0.output(tokens: $1.routing.tokens) }
    }
}

/// Layers with the same weights give different bits.
struct LayerSetsError: Error, CustomStringConvertible {
    /// The number of the layer that differs from the first.
    let layer: Int

    /// One sentence.
    var description: String {
        "layer \(layer) gives other bits than layer 0 with the same weights and inputs; please report this"
    }
}
