import Accelerator
import KernelLanguage

/// What a step's experts left on the device, by expert, rank and token.
package struct ObservedExperts: Sendable {
    /// The quantised SwiGLU result of each row.
    package private(set) var activations: [ReferenceRow: QuantisedRow] = [:]
    /// The down projection's output of each row, BF16 `[hidden]`.
    package private(set) var outputs: [ReferenceRow: [BFloat16]] = [:]

    /// Adds the first rows of one expert of a stack.
    ///
    /// - Parameters:
    ///   - keys: What each row is; nil for one that did not come.
    ///   - output: The down projection's output of a row, BF16 `[hidden]`: the buffer and the place in it; nil if that is
    ///     not at home.
    fileprivate mutating func add(
        _ stack: ExpertStack, localExpert: Int, rows keys: [ReferenceRow?], _ device: any Device,
        output: (ReferenceRow) -> (DeviceBuffer, offset: Int)?
    ) throws {
        let shape = stack.shape
        let groups = shape.intermediate / QuantisedRow.block
        let values = try device.read(
            UInt8.self, count: keys.count * shape.intermediate, from: stack.activated,
            offset: localExpert * shape.maxRows * shape.intermediate)
        let scales = try device.read(
            Float.self, count: groups * shape.scaleRows, from: stack.activatedScales,
            offset: localExpert * groups * shape.scaleRows * 4)
        for (row, key) in keys.enumerated() {
            guard let key else { continue }
            activations[key] = QuantisedRow(
                values: Array(values[row * shape.intermediate..<(row + 1) * shape.intermediate]),
                scales: (0..<groups).map { scales[$0 * shape.scaleRows + row] })
            guard let (buffer, offset) = output(key) else { continue }
            outputs[key] = try device.read(BFloat16.self, count: shape.hidden, from: buffer, offset: offset)
        }
    }
}

extension MoELayerGroup {
    /// Reads what the experts of the step that ran last rounded, for the reference to check and go on from.
    ///
    /// - Parameters:
    ///   - inputs: The step's inputs.
    ///   - missing: Whom ranks did without.
    /// - Throws: `GroupError.rowsDiscarded` unless the step kept its rows, as `step` does.
    package func observedExperts(
        _ inputs: [RankInput], missing: MissingRanks = .none
    ) throws -> ObservedExperts {
        guard layers.allSatisfy({ $0.keepsRows || missing.absent.contains($0.rank.index) }) else {
            throw GroupError.rowsDiscarded
        }
        try group.requireOnePerRank(inputs)
        var observed = ObservedExperts()
        let shape = group.configuration.shape
        for (rank, stack) in zip(group.ranks, layers.map(\.stack)) where !missing.absent.contains(rank.index) {
            let counts = try rank.device.read(Int32.self, count: shape.rankExperts, from: rank.receivedCount)
            for local in 0..<shape.rankExperts where counts[local] > 0 {
                let sources = try rank.device.read(
                    UInt64.self, count: Int(counts[local]), from: rank.sourceInfo, offset: local * shape.maxRows * 8)
                let routed = local - shape.sharedExperts
                let keys = sources.map { source -> ReferenceRow? in
                    let token = Int(source & 0xFFFF_FFFF)
                    guard token < shape.maxTokens, !missing.absent.contains(Int(source >> 32)) else { return nil }
                    return ReferenceRow(
                        expert: routed < 0 ? nil : rank.index * shape.localExperts + routed, rank: Int(source >> 32),
                        token: token, sharedPart: routed < 0 ? local : 0)
                }
                try observed.add(stack, localExpert: local, rows: keys, rank.device) { key in
                    if missing.isMissing(rank.index, for: key.rank) { return nil }
                    // Whatever sent it, the row is now at home.
                    let routing = inputs[key.rank].routing
                    let choices = routing.experts[key.token * shape.topK..<(key.token + 1) * shape.topK]
                    let row =
                        key.expert.flatMap { choices.firstIndex(of: Int64($0)).map { $0 - choices.startIndex } }
                        ?? shape.topK + key.sharedPart
                    let slot = group.configuration.window.firstCombinedRow(from: rank.index)
                    let place = (slot + key.token * shape.tokenRows + row) * shape.hidden * 2
                    return (
                        group.ranks[key.rank].whole.window,
                        offset: group.configuration.window.combineRows.offset + place
                    )
                }
            }
        }
        return observed
    }
}
