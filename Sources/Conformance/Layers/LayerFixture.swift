import Accelerator
import ExpertKernels
import ExpertParallel
import KernelLanguage

/// A layer's weights and inputs, made from a seed.
package struct LayerFixture: Sendable {
    /// How tokens choose experts.
    package enum Pattern: String, Sendable {
        /// Different random experts.
        case random
        /// Random, with every third choice left out (-1).
        case sparse
        /// The first choice of every token is the last expert, the others select nothing.
        case allToOne
        /// Only experts of rank 0.
        case firstRank
        /// Only experts of the token's own rank.
        case ownRank
        /// No token chooses anything.
        case nothing
    }

    package let shape: LayerShape
    package let tokens: [Int]
    package let pattern: Pattern
    package let sharedIntermediate: Int?
    /// Whether the shared expert has a gate.
    package let hasSharedGate: Bool
    package let seed: UInt64
    /// Whether some matrices have a scale for each row, and others one for each block.
    package let channelScales: Bool
    private let table = GaussianFloat8Table()

    package init(
        _ shape: LayerShape, tokens: [Int], pattern: Pattern = .random, sharedIntermediate: Int? = nil,
        hasSharedGate: Bool = false, seed: UInt64 = 1, channelScales: Bool = false
    ) {
        self.shape = shape
        self.tokens = tokens
        self.pattern = pattern
        self.sharedIntermediate = sharedIntermediate
        self.hasSharedGate = hasSharedGate
        self.seed = seed
        self.channelScales = channelScales
    }

    /// Weights of a routed expert.
    package func weights(_ expert: Int) throws -> ExpertWeights {
        let isFirst = channelScales && expert % 3 != 2
        return try weights(
            "expert \(expert)", intermediate: shape.intermediate, perRow: (isFirst, channelScales, isFirst))
    }

    /// Weights of the shared expert.
    package func shared() throws -> ExpertWeights? {
        try sharedIntermediate.map {
            try weights("shared", intermediate: $0, perRow: (channelScales, false, channelScales))
        }
    }

    /// - Parameter perRow: Which matrices have a scale for each row.
    private func weights(
        _ name: String, intermediate: Int, perRow: (gate: Bool, up: Bool, down: Bool)
    ) throws -> ExpertWeights {
        func matrix(_ name: String, _ rows: Int, _ columns: Int, _ isPerRow: Bool) throws -> QuantisedMatrix {
            try isPerRow ? matrixPerRow(name, rows, columns) : self.matrix(name, rows, columns)
        }
        return ExpertWeights(
            gate: try matrix(name + " gate", intermediate, shape.hidden, perRow.gate),
            up: try matrix(name + " up", intermediate, shape.hidden, perRow.up),
            down: try matrix(name + " down", shape.hidden, intermediate, perRow.down))
    }

    /// A fixture that is only asked for matrices.
    package static func matrices() throws -> LayerFixture {
        LayerFixture(
            try LayerShape(hidden: 128, intermediate: 128, experts: 1, topK: 1, ranks: 1, maxTokens: 1), tokens: [0])
    }

    /// A random matrix with block scales that make its products with normal vectors about normal.
    package func matrix(_ name: String, _ rows: Int, _ columns: Int) throws -> QuantisedMatrix {
        var stream = RandomStream(seed: seed, name: name)
        let values = table.codes(rows * columns, from: &stream)
        let deviation = 1 / (GaussianFloat8Table.deviation * Float(columns).squareRoot())
        let blocks = ScaleGroup.groups(rows) * ScaleGroup.groups(columns)
        let scales = (0..<blocks).map { _ in deviation * (0.5 + stream.uniform()) }
        return try QuantisedMatrix(rows: rows, columns: columns, values: values, scales: scales)
    }

    /// The same with a scale for each row beside those of blocks, so that neither can be left out.
    package func matrixOfBothScales(_ name: String, _ rows: Int, _ columns: Int) throws -> QuantisedMatrix {
        let matrix = try matrix(name, rows, columns)
        return try QuantisedMatrix(
            rows: rows, columns: columns, values: matrix.values, scales: matrix.scales,
            channelScales: factors(name, rows))
    }

    /// The same with a scale for each row and none of blocks, as checkpoints have it.
    package func matrixPerRow(_ name: String, _ rows: Int, _ columns: Int) throws -> QuantisedMatrix {
        let deviation = 1 / (GaussianFloat8Table.deviation * Float(columns).squareRoot())
        return try QuantisedMatrix(
            rows: rows, columns: columns, values: matrix(name, rows, columns).values,
            channelScales: factors(name, rows).map { $0 * deviation })
    }

    /// A factor for each row, about 1.
    private func factors(_ name: String, _ rows: Int) -> [Float] {
        var stream = RandomStream(seed: seed, name: name + ", rows")
        return (0..<rows).map { _ in 0.25 + 1.5 * stream.uniform() }
    }

    /// Inputs of all ranks for step `step`.
    package func inputs(step: Int = 0) -> [RankInput] {
        tokens.enumerated().map { rank, tokens in
            var stream = RandomStream(seed: seed, name: "input \(rank) \(step)")
            let hidden = (0..<tokens * shape.hidden).map { _ in BFloat16(stream.normal()) }
            let experts = (0..<tokens).flatMap { choose(token: $0, of: rank, &stream) }
            let weights = (0..<tokens * shape.topK).map { _ in 0.1 + stream.uniform() }
            return RankInput(
                hiddenStates: hidden,
                routing: Routing(
                    tokens: tokens, topK: shape.topK, experts: experts, weights: weights,
                    sharedWeights: hasSharedGate ? sharedWeights(rank, step) : nil))
        }
    }

    /// Outputs of a gate: numbers between 0 and 1, and for every fifth token 0, as of a closed one.
    private func sharedWeights(_ rank: Int, _ step: Int) -> [Float] {
        var stream = RandomStream(seed: seed, name: "shared weights \(rank) \(step)")
        return (0..<tokens[rank]).map { $0 % 5 == 4 ? 0 : stream.uniform() }
    }

    private func choose(token: Int, of rank: Int, _ stream: inout RandomStream) -> [Int64] {
        switch pattern {
        case .random, .sparse:
            let chosen = (0..<Int64(shape.experts)).shuffled(using: &stream).prefix(shape.topK)
            return chosen.enumerated().map { pattern == .sparse && (token + $0) % 3 == 0 ? -1 : $1 }
        case .allToOne:
            return [Int64(shape.experts - 1)] + [Int64](repeating: -1, count: shape.topK - 1)
        case .firstRank, .ownRank:
            let first = pattern == .ownRank ? Int64(rank * shape.localExperts) : 0
            let local = (first..<first + Int64(shape.localExperts)).shuffled(using: &stream).prefix(shape.topK)
            return local + [Int64](repeating: -1, count: shape.topK - local.count)
        case .nothing:
            return [Int64](repeating: -1, count: shape.topK)
        }
    }

    /// Multiprocessors of each rank that send while the down GEMM runs on the others.
    package func split(of device: any Device) -> Int { max(1, device.properties.multiprocessors / shape.ranks / 8) }

    /// The layer on a device.
    ///
    /// - Parameter mapsWindowsAnew: Whether each rank sees the windows of the others at addresses of its own.
    package func layer(
        on device: any Device, blockM: Int? = nil, communicating: Int? = nil, waitLimit: Double = 10,
        link: LinkModel? = nil, droppedSignal: MoELayerGroup.DroppedSignal? = nil,
        halves: Bool = true, notesArrivals: Bool = false, onFailure: FailurePolicy = .stop,
        mapsWindowsAnew: Bool = false, scaleFormat: ScaleFormat = .float32, activation: Activation = .plain,
        network: GroupNetwork? = nil
    ) throws -> MoELayerGroup {
        var configuration = GroupConfiguration(
            shape: shape, deviceMultiprocessors: device.properties.multiprocessors, blockM: blockM,
            communicationMultiprocessors: communicating, waitLimit: waitLimit, link: link, network: network)
        configuration.scaleFormat = scaleFormat
        configuration.hasSharedGate = hasSharedGate
        configuration.channelScales = channelScales
        configuration.activation = activation
        configuration.twoBatch = halves
        configuration.notesArrivals = notesArrivals
        configuration.onFailure = onFailure
        let group =
            mapsWindowsAnew
            ? try RankGroup(
                AliasTransport.group(ranks: shape.ranks).map {
                    try ExpertRank(device: device, configuration: configuration, transport: $0)
                }) : try RankGroup(device: device, configuration: configuration)
        return try MoELayerGroup(group, shared: shared(), droppedSignal: droppedSignal, weights: weights)
    }
}

/// Fails if a step of some mode takes less than the `least` microseconds that the model needs, or gives other bits.
func requireDelay(
    _ layer: MoELayerGroup, _ inputs: [RankInput], atLeast least: Double, of what: String, sameAs plain: [[BFloat16]]
) throws {
    let device = layer.group.device
    for mode in OverlapMode.allCases {
        try layer.group.load(inputs)
        let (start, end) = (try device.makeEvent(), try device.makeEvent())
        let home = layer.group.ranks[0].compute
        try device.record(start, on: home)
        for rank in layer.group.ranks { try layer.enqueue(rank, overlap: mode) }
        try device.record(end, on: home)
        try layer.group.synchronize()
        let time = try device.nanoseconds(from: start, to: end) / 1e3
        try require(time >= least, "\(mode): \(time) µs, and the \(what) need \(least)")
        try requireIdentical(
            "\(mode), \(what)", try layer.outputs(inputs), plain, hidden: layer.group.configuration.shape.hidden)
    }
}

/// Fails at the first element in which two steps' outputs differ.
package func requireIdentical(_ what: String, _ found: [[BFloat16]], _ expected: [[BFloat16]], hidden: Int) throws {
    try require(found.count == expected.count, "\(what): \(found.count) ranks, expected \(expected.count)")
    for rank in found.indices {
        try require(
            found[rank].count == expected[rank].count,
            "\(what): rank \(rank) has \(found[rank].count) elements, expected \(expected[rank].count)")
        for index in found[rank].indices where found[rank][index] != expected[rank][index] {
            throw ConformanceFailure(
                "\(what): rank \(rank), token \(index / hidden), channel \(index % hidden) is "
                    + "\(found[rank][index].float), expected \(expected[rank][index].float)")
        }
    }
}
