import Accelerator
import ExpertKernels
import ExpertParallel
import KernelLanguage

/// Dispatch and combine alone, element by element against the host.
func communicationCases() -> [ConformanceCase] {
    DispatchFormat.allCases.flatMap { format in
        [[5], [4, 0], [3, 7, 1, 6]].map { communicationCase(format, tokens: $0) }
    } + ScaleFormat.allCases.flatMap(scaleCases) + [FailurePolicy.stop, .mask].map(sharedWeightsCase)
        + paddedCases()
}

/// Dispatch alone of channels whose scales are at the edges of their format.
private func scaleCases(_ scales: ScaleFormat) -> [ConformanceCase] {
    // Groups for one warp of a block, for some, for all, and for more than one pass of them.
    let sizes = scales == .exponents ? [512, 1536, 2048, 10_240] : [128, 384, 2048, 10_240]
    return sizes.flatMap { hidden in
        [FailurePolicy.stop, .mask].map {
            communicationCase(.float8, scales: scales, hidden: hidden, tokens: [3, 7], content: .edges, onFailure: $0)
        }
    }
}

/// Tokens that end within a group: within a lane's 16 channels and between two, in the first pass of a block and in the
/// last, and with groups of words of four exponents.
private func paddedCases() -> [ConformanceCase] {
    [8, 200, 328, 1160, 10_120].flatMap { hidden in
        [FailurePolicy.stop, .mask].flatMap { policy in
            [ScaleFormat.float32, .powerOfTwo].map {
                communicationCase(
                    .float8, scales: $0, hidden: hidden, tokens: [3, 7], content: .edges, onFailure: policy)
            } + [communicationCase(.bfloat16, hidden: hidden, tokens: [3, 7], onFailure: policy)]
        }
    } + [communicationCase(.float8, scales: .exponents, hidden: 488, tokens: [3, 7], content: .edges)]
}

/// The values of hidden states.
package enum TokenContent: String, Sendable {
    /// Normally distributed.
    case normal
    /// Groups of 128 channels in turn normal, all zero, tiny, and with a largest magnitude at, next to and far from 448
    /// times a power of two.
    case edges
}

/// Two steps of dispatch and combine with three experts to a rank.
package func communicationCase(
    _ format: DispatchFormat, scales: ScaleFormat = .float32, hidden: Int = 384, tokens: [Int],
    content: TokenContent = .normal, onFailure: FailurePolicy = .stop
) -> ConformanceCase {
    var name = "dispatch and combine \(format.rawValue) tokens=\(tokens)"
    if content == .edges { name += " scales=\(scales.rawValue)" }
    if content == .edges || hidden != 384 { name += " hidden=\(hidden)" }
    return ConformanceCase(name + (onFailure == .mask ? " with masks" : "")) { device in
        let shape = try LayerShape(
            hidden: hidden, intermediate: 128, experts: tokens.count * 3, topK: 3, ranks: tokens.count, maxTokens: 7)
        var inputs = LayerFixture(shape, tokens: tokens, pattern: .sparse).inputs()
        if content == .edges { inputs = inputs.map(edges) }
        var configuration = GroupConfiguration(
            shape: shape, format: format, deviceMultiprocessors: device.properties.multiprocessors)
        configuration.scaleFormat = scales
        configuration.onFailure = onFailure
        let group = try RankGroup(device: device, configuration: configuration)
        // Twice, so that the second step meets the flags of the first.
        for _ in 0..<2 {
            try group.load(inputs)
            let receives = try group.ranks.map { try $0.dispatch() }
            for receive in receives { try receive() }
            try group.synchronize()
            let check = ReceivedRows(group: group, inputs: inputs)
            for rank in group.ranks { try check.check(rank) }
            if format == .bfloat16 { try checkCombine(group, inputs) } else { try group.reset() }
        }
    }
}

/// Two steps of dispatch and combine in which each token weighs the rows of two shared experts.
private func sharedWeightsCase(_ onFailure: FailurePolicy) -> ConformanceCase {
    ConformanceCase("dispatch and combine with shared weights" + (onFailure == .mask ? " and masks" : "")) { device in
        let shape = try LayerShape(
            hidden: 384, intermediate: 128, experts: 9, topK: 3, ranks: 3, maxTokens: 7, sharedExperts: 2)
        let fixture = LayerFixture(shape, tokens: [7, 0, 5], pattern: .sparse, hasSharedGate: true)
        var configuration = GroupConfiguration(
            shape: shape, format: .bfloat16, deviceMultiprocessors: device.properties.multiprocessors)
        configuration.hasSharedGate = true
        configuration.onFailure = onFailure
        let group = try RankGroup(device: device, configuration: configuration)
        for step in 0..<2 {
            let inputs = fixture.inputs(step: step)
            try group.load(inputs)
            for receive in try group.ranks.map({ try $0.dispatch() }) { try receive() }
            try checkCombine(group, inputs)
        }
    }
}

/// The input with groups of channels whose largest magnitudes are at the edges of scales.
private func edges(_ input: RankInput) -> RankInput {
    var input = input
    // BF16 has 8 bits, so that the neighbours of 448 are 446 and 450.
    let largest: [Float?] = [
        nil, 0, 448, 450, 446, 256, 0x1p-133, 0x1.8p-130, 448 * 0x1p-126, 450 * 0x1p-126, 446 * 0x1p-127,
        448 * 0x1p-20, 450 * 0x1p40, 0x1.FEp127, 0x1.C2p-118, 1,
    ]
    for group in 0..<input.hiddenStates.count / 128 {
        guard let largest = largest[group % largest.count] else { continue }
        for channel in group * 128..<(group + 1) * 128 {
            // Of normal numbers nearly all are below 4.
            let value = largest * max(-1, min(1, input.hiddenStates[channel].float / 4))
            input.hiddenStates[channel] = BFloat16(value)
        }
        input.hiddenStates[group * 128 + group % 128] = BFloat16(group % 2 == 0 ? largest : -largest)
    }
    return input
}

/// Sends the dispatched rows straight home: the result is each token times the sum of its weights.
private func checkCombine(_ group: RankGroup, _ inputs: [RankInput]) throws {
    let shape = group.configuration.shape
    for rank in group.ranks {
        try group.device.copy(
            from: rank.rows, offset: 0, to: rank.expertOutput, offset: 0, bytes: rank.rows.bytes, on: rank.compute)
    }
    let receives = try group.ranks.map { try $0.combine() }
    for receive in receives { try receive() }
    try group.synchronize()
    for (rank, input) in zip(group.ranks, inputs) {
        let found = try rank.output(tokens: input.routing.tokens)
        let expected = input.hiddenStates.enumerated().map { index, value in
            let token = index / shape.hidden
            // The kernel's own order of Float32 operations.
            var sum: Float = 0
            for choice in token * shape.topK..<(token + 1) * shape.topK where input.routing.experts[choice] >= 0 {
                sum.addProduct(value.float, input.routing.weights[choice])
            }
            for _ in 0..<shape.sharedExperts {
                sum.addProduct(value.float, input.routing.sharedWeights?[token] ?? 1)
            }
            return BFloat16(sum)
        }
        try requireIdentical("rank \(rank.index)", [found], [expected], hidden: shape.hidden)
    }
}

/// Checks what each rank has received.
private struct ReceivedRows {
    let group: RankGroup
    let inputs: [RankInput]

    func check(_ rank: ExpertRank) throws {
        let shape = group.configuration.shape
        let device = group.device
        let counts = try device.read(Int32.self, count: shape.localExperts, from: rank.receivedCount)
        let ranges = try device.read(UInt64.self, count: shape.localExperts * shape.ranks, from: rank.layoutRange)
        for local in 0..<shape.localExperts {
            let place = "rank \(rank.index), local expert \(local)"
            let expert = rank.index * shape.localExperts + local
            let sources = inputs.enumerated().flatMap { source, input in
                input.routing.experts.indices.filter { input.routing.experts[$0] == Int64(expert) }
                    .map { UInt64(source) << 32 | UInt64($0 / shape.topK) }
            }
            try require(
                Int(counts[local]) == sources.count, "\(place): \(counts[local]) rows, expected \(sources.count)")
            var first = 0
            let expectedRanges = (0..<shape.ranks).map { source in
                let count = sources.filter { $0 >> 32 == source }.count
                defer { first += count }
                return UInt64(first) << 32 | UInt64(count)
            }
            try requireEqual(
                "\(place): layout range",
                Array(ranges[local * shape.ranks..<(local + 1) * shape.ranks]), expectedRanges)
            let info = try device.read(
                UInt64.self, count: sources.count, from: rank.sourceInfo, offset: local * shape.maxRows * 8)
            try requireEqual("\(place): source info", info, sources)
            for (row, source) in sources.enumerated() {
                try checkRow(rank, local, row, source, "\(place), row \(row)")
            }
        }
    }

    private func checkRow(_ rank: ExpertRank, _ local: Int, _ row: Int, _ source: UInt64, _ place: String) throws {
        let shape = group.configuration.shape
        let token = Int(source & 0xFFFF_FFFF)
        let sent = inputs[Int(source >> 32)].hiddenStates[token * shape.hidden..<(token + 1) * shape.hidden]
        let index = local * shape.maxRows + row
        let first = index * shape.paddedHidden
        let padding = shape.paddedHidden - shape.hidden
        switch group.configuration.format {
        case .bfloat16:
            let found = try group.device.read(
                UInt16.self, count: shape.paddedHidden, from: rank.rows, offset: first * 2)
            try requireEqual(place, found, sent.map(\.bits) + [UInt16](repeating: 0, count: padding))
        case .float8:
            let format = group.configuration.scaleFormat
            let expected = QuantisedRow(quantising: sent.map(\.float), format)
            let found = try group.device.read(
                UInt8.self, count: shape.paddedHidden, from: rank.rows, offset: first)
            try requireEqual(place, found, expected.values + [UInt8](repeating: 0, count: padding))
            let words = shape.hiddenGroups / format.groupsPerWord
            let scales = try group.device.read(
                UInt32.self, count: words * shape.scaleRows, from: rank.rowScales,
                offset: local * words * shape.scaleRows * 4)
            try requireEqual(
                "\(place): scales", (0..<words).map { scales[$0 * shape.scaleRows + row] },
                format == .exponents ? expected.packedExponents : expected.scales.map(\.bitPattern))
        }
    }
}
