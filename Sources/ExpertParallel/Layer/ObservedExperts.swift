import Accelerator
import KernelLanguage

/// Rounded results of a step's experts, read from the device, by expert, rank and token.
package struct ObservedExperts: Sendable {
    /// The quantised SwiGLU result of each row.
    package internal(set) var activations: [ReferenceRow: QuantisedRow] = [:]
    /// The down projection's output of each row, BF16 `[hidden]`.
    package internal(set) var outputs: [ReferenceRow: [BFloat16]] = [:]

    /// No observations.
    package init() {}

    /// Adds another process's observations.
    package mutating func add(_ other: ObservedExperts) {
        activations.merge(other.activations) { own, _ in own }
        outputs.merge(other.outputs) { own, _ in own }
    }
}

extension MoELayerGroup {
    /// Reads the rounded values of the last step, for the reference to check and go on from: activations of the experts
    /// of this process's ranks, and the rows that came home to their tokens.
    ///
    /// - Parameters:
    ///   - inputs: The step's inputs, one for each rank of this process.
    ///   - missing: Ranks that others went on without.
    /// - Throws: `GroupError.rowsDiscarded` unless the step kept its rows, as `step` does.
    package func observedExperts(
        _ inputs: [RankInput], missing: MissingRanks = .none
    ) throws -> ObservedExperts {
        guard layers.allSatisfy({ $0.keepsRows || missing.absent.contains($0.rank.index) }) else {
            throw GroupError.rowsDiscarded
        }
        try group.requireOnePerRank(inputs)
        var observed = ObservedExperts()
        for (layer, input) in zip(layers, inputs) where !missing.absent.contains(layer.rank.index) {
            try observed.addActivations(of: layer, missing)
            try observed.addOutputs(of: layer.rank, input, missing)
        }
        return observed
    }
}

extension ObservedExperts {
    /// The activations of a rank's experts.
    fileprivate mutating func addActivations(of layer: MoELayer, _ missing: MissingRanks) throws {
        let (rank, stack) = (layer.rank, layer.stack)
        let shape = rank.configuration.shape
        let width = shape.paddedIntermediate
        let groups = width / QuantisedRow.block
        let counts = try rank.device.read(Int32.self, count: shape.rankExperts, from: rank.receivedCount)
        for local in 0..<shape.rankExperts where counts[local] > 0 {
            let count = Int(counts[local])
            let sources = try rank.device.read(
                UInt64.self, count: count, from: rank.sourceInfo, offset: local * shape.maxRows * 8)
            let values = try rank.device.read(
                UInt8.self, count: count * width, from: stack.activated, offset: local * shape.maxRows * width)
            let scales = try rank.device.read(
                Float.self, count: groups * shape.scaleRows, from: stack.activatedScales,
                offset: local * groups * shape.scaleRows * 4)
            let routed = local - shape.sharedExperts
            for (row, source) in sources.enumerated() {
                let token = Int(source & 0xFFFF_FFFF)
                // A row that did not arrive has no token.
                guard token < shape.maxTokens, !missing.absent.contains(Int(source >> 32)) else { continue }
                let key = ReferenceRow(
                    expert: routed < 0 ? nil : rank.index * shape.localExperts + routed, rank: Int(source >> 32),
                    token: token, sharedPart: routed < 0 ? local : 0)
                activations[key] = QuantisedRow(
                    // Parts of a shared expert are padded; a routed one has as many channels as the model says.
                    values: Array(values[row * width..<row * width + (routed < 0 ? width : shape.intermediate)]),
                    scales: (0..<groups).map { scales[$0 * shape.scaleRows + row] })
            }
        }
    }

    /// The rows of a rank's tokens, which have come home by a combine send or a GEMM.
    fileprivate mutating func addOutputs(
        of rank: ExpertRank, _ input: RankInput, _ missing: MissingRanks
    ) throws {
        let (shape, window) = (rank.configuration.shape, rank.configuration.window)
        for token in 0..<input.routing.tokens {
            for row in 0..<shape.tokenRows {
                let expert = row < shape.topK ? input.routing.experts[token * shape.topK + row] : nil
                if let expert, expert < 0 { continue }
                let owner = expert.map { Int($0) / shape.localExperts } ?? rank.index
                if missing.isMissing(owner, for: rank.index) { continue }
                let place = window.firstCombinedRow(from: owner) + token * shape.tokenRows + row
                let key = ReferenceRow(
                    expert: expert.map { Int($0) }, rank: rank.index, token: token,
                    sharedPart: max(0, row - shape.topK))
                outputs[key] = try rank.device.read(
                    BFloat16.self, count: shape.hidden, from: rank.whole.window,
                    offset: window.combineRows.offset + place * shape.paddedHidden * 2)
            }
        }
    }
}
