import ExpertKernels
import KernelLanguage

/// The mixture-of-experts layer in FP64, to judge kernels by.
///
/// Each token's output is the sum over its choices, in their order, of weight x expert output, and last the shared
/// expert's output, multiplied by the token's shared weight if it has one. Sums are in FP64 whatever the model of
/// quantisation.
package struct LayerReference {
    /// Experts of the layer.
    package let experts: Int
    /// Channels of a token; a multiple of 8.
    package let hidden: Int
    /// Channels between the projections of a routed expert; a multiple of 8.
    package let intermediate: Int
    /// Which roundings are made.
    package var model: QuantisationModel
    /// How scales of activations are rounded; used by `.asKernels` only.
    package var scaleFormat: ScaleFormat
    /// The activation between the projections of an expert.
    package var activation = Activation.plain
    /// The kernels' own quantised values, to check and go on from; used by `.asKernels` only.
    package var observed: ObservedQuantisation?
    /// Ranks whose experts' terms are left out, and from which ranks' tokens.
    package var missing = MissingRanks.none

    /// A reference for this shape. Throws `dimensionNotMultiple`.
    package init(
        experts: Int, hidden: Int, intermediate: Int, model: QuantisationModel = .asKernels,
        scaleFormat: ScaleFormat = .float32, observed: ObservedQuantisation? = nil
    ) throws(ReferenceError) {
        guard hidden > 0, hidden % LayerShape.channelStep == 0 else {
            throw .dimensionNotMultiple(what: "hidden size", value: hidden)
        }
        guard intermediate > 0, intermediate % LayerShape.channelStep == 0 else {
            throw .dimensionNotMultiple(what: "intermediate size", value: intermediate)
        }
        self.experts = experts
        self.hidden = hidden
        self.intermediate = intermediate
        self.model = model
        self.scaleFormat = scaleFormat
        self.observed = observed
    }

    /// The layer's output for each rank, `[tokens, hidden]`; with `.asKernels` all values are BF16 numbers.
    ///
    /// `weights` is called once for each expert that has tokens, in ascending order. The outputs of all choices are
    /// held until the end: `tokens * topK * hidden * 8` bytes. Throws a `ReferenceError` for sizes that do not fit
    /// together, hidden states that are not finite and observed values that are wrong, and what `weights` throws.
    package func output(
        of ranks: [RankInput], shared: ExpertWeights? = nil, weights: (Int) throws -> ExpertWeights
    ) throws -> [[Double]] {
        try output(of: ranks, sharedParts: shared.map { [$0] } ?? [], weights: weights)
    }

    /// The same for a shared expert in several parts, each of whose outputs is rounded by itself, as kernels compute
    /// the parts as experts of their own.
    func output(
        of ranks: [RankInput], sharedParts: [ExpertWeights], weights: (Int) throws -> ExpertWeights
    ) throws -> [[Double]] {
        let choices = try choicesByExpert(ranks)
        var contributions = ranks.map { [Double](repeating: 0, count: $0.routing.experts.count * hidden) }
        for expert in 0..<experts where !choices[expert].isEmpty {
            let loaded = try weights(expert)
            try checkShape(of: loaded, intermediate: intermediate, name: "expert \(expert)")
            let rows = choices[expert].map {
                ReferenceRow(expert: expert, rank: $0.rank, token: $0.choice / ranks[$0.rank].routing.topK)
            }
            let outputs = try run(loaded, limit: activation.limit, rows: rows, ranks: ranks)
            for (index, choice) in choices[expert].enumerated() {
                contributions[choice.rank].replaceSubrange(
                    choice.choice * hidden..<(choice.choice + 1) * hidden,
                    with: outputs[index * hidden..<(index + 1) * hidden])
            }
        }
        let sharedOutputs = try sharedParts.enumerated().map { part, weights in
            try checkShape(of: weights, intermediate: weights.gate.rows, name: "the shared expert")
            let rows = ranks.indices.flatMap { rank in
                (0..<ranks[rank].routing.tokens).map {
                    ReferenceRow(expert: nil, rank: rank, token: $0, sharedPart: part)
                }
            }
            return rows.isEmpty ? [] : try run(weights, limit: activation.sharedLimit, rows: rows, ranks: ranks)
        }
        return combine(ranks, contributions: contributions, shared: sharedOutputs)
    }

    private func run(
        _ weights: ExpertWeights, limit: Float?, rows: [ReferenceRow], ranks: [RankInput]
    ) throws -> [Double] {
        let expert = ReferenceExpert(
            weights: weights, model: model, scaleFormat: scaleFormat,
            activation: ReferenceActivation(activation, limit: limit), observed: observed)
        return try expert.outputs(rows: rows) { index in
            let start = rows[index].token * hidden
            return ranks[rows[index].rank].hiddenStates[start..<start + hidden].map(\.float)
        }
    }

    private func combine(_ ranks: [RankInput], contributions: [[Double]], shared: [[Double]]) -> [[Double]] {
        var firstSharedRow = 0
        return ranks.indices.map { rank in
            let routing = ranks[rank].routing
            var output = [Double](repeating: 0, count: routing.tokens * hidden)
            for token in 0..<routing.tokens {
                for slot in 0..<routing.topK where routing.experts[token * routing.topK + slot] >= 0 {
                    let choice = token * routing.topK + slot
                    let owner = Int(routing.experts[choice]) / max(1, experts / ranks.count)
                    if missing.isMissing(owner, for: rank) { continue }
                    let weight = Double(routing.weights[choice])
                    for channel in 0..<hidden {
                        output[token * hidden + channel] += weight * contributions[rank][choice * hidden + channel]
                    }
                }
                let factor = routing.sharedWeights.map { Double($0[token]) } ?? 1
                for part in shared where !part.isEmpty {
                    for channel in 0..<hidden {
                        output[token * hidden + channel] += factor * part[(firstSharedRow + token) * hidden + channel]
                    }
                }
            }
            firstSharedRow += routing.tokens
            return model == .asKernels ? output.map { Double(BFloat16($0).float) } : output
        }
    }

    // MARK: Checks

    /// For each expert the choices that fell on it, by rank and then by position in the routing.
    private func choicesByExpert(
        _ ranks: [RankInput]
    ) throws(ReferenceError) -> [[(rank: Int, choice: Int)]] {
        var choices = [[(rank: Int, choice: Int)]](repeating: [], count: max(0, experts))
        for (rank, input) in ranks.enumerated() {
            let routing = input.routing
            let (count, overflow) = routing.tokens.multipliedReportingOverflow(by: routing.topK)
            let (values, tooMany) = routing.tokens.multipliedReportingOverflow(by: hidden)
            guard routing.tokens >= 0, routing.topK >= 0, !overflow, !tooMany else {
                throw .sizeMismatch(what: "tokens at least", expected: 0, found: routing.tokens)
            }
            guard input.hiddenStates.count == values else {
                throw .sizeMismatch(
                    what: "hidden values of rank \(rank)", expected: values, found: input.hiddenStates.count)
            }
            guard routing.experts.count == count else {
                throw .sizeMismatch(what: "choices of rank \(rank)", expected: count, found: routing.experts.count)
            }
            guard routing.weights.count == count else {
                throw .sizeMismatch(what: "weights of rank \(rank)", expected: count, found: routing.weights.count)
            }
            if let weights = routing.sharedWeights, weights.count != routing.tokens {
                throw .sizeMismatch(
                    what: "shared weights of rank \(rank)", expected: routing.tokens, found: weights.count)
            }
            if let position = input.hiddenStates.firstIndex(where: { $0.bits & 0x7F80 == 0x7F80 }) {
                throw .hiddenNotFinite(rank: rank, token: position / hidden, channel: position % hidden)
            }
            for (choice, expert) in routing.experts.enumerated() where expert != -1 {
                guard expert >= 0, expert < experts else {
                    throw .expertOutOfRange(
                        rank: rank, token: choice / routing.topK, slot: choice % routing.topK, expert: expert,
                        experts: experts)
                }
                choices[Int(expert)].append((rank, choice))
            }
        }
        return choices
    }

    private func checkShape(
        of weights: ExpertWeights, intermediate: Int, name: String
    ) throws(ReferenceError) {
        for (matrix, rows, columns, part) in [
            (weights.gate, intermediate, hidden, "gate"), (weights.up, intermediate, hidden, "up"),
            (weights.down, hidden, intermediate, "down"),
        ] {
            guard matrix.rows == rows else {
                throw .sizeMismatch(what: "\(part) rows of \(name)", expected: rows, found: matrix.rows)
            }
            guard matrix.columns == columns else {
                throw .sizeMismatch(what: "\(part) columns of \(name)", expected: columns, found: matrix.columns)
            }
        }
    }
}
