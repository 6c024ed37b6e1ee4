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
    /// - Parameter output: The down projection's output of a row, BF16 `[hidden]`: the buffer and the place in it.
    fileprivate mutating func add(
        _ stack: ExpertStack, localExpert: Int, rows keys: [ReferenceRow], _ device: any Device,
        output: (ReferenceRow) -> (DeviceBuffer, offset: Int)
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
            activations[key] = QuantisedRow(
                values: Array(values[row * shape.intermediate..<(row + 1) * shape.intermediate]),
                scales: (0..<groups).map { scales[$0 * shape.scaleRows + row] })
            let (buffer, offset) = output(key)
            outputs[key] = try device.read(BFloat16.self, count: shape.hidden, from: buffer, offset: offset)
        }
    }
}

extension MoELayerGroup {
    /// Reads what the experts of the step that ran last rounded, for the reference to check and go on from.
    ///
    /// - Parameter inputs: The step's inputs.
    /// - Throws: `GroupError.rowsDiscarded` unless the step kept its rows, as `step` does.
    package func observedExperts(_ inputs: [RankInput]) throws -> ObservedExperts {
        guard layers.allSatisfy(\.keepsRows) else { throw GroupError.rowsDiscarded }
        try group.requireOnePerRank(inputs)
        var observed = ObservedExperts()
        let shape = group.configuration.shape
        for (rank, stack) in zip(group.ranks, layers.map(\.stack)) {
            let counts = try rank.device.read(Int32.self, count: shape.rankExperts, from: rank.receivedCount)
            for local in 0..<shape.rankExperts where counts[local] > 0 {
                let sources = try rank.device.read(
                    UInt64.self, count: Int(counts[local]), from: rank.sourceInfo, offset: local * shape.maxRows * 8)
                let routed = local - shape.sharedExperts
                let keys = sources.map {
                    ReferenceRow(
                        expert: routed < 0 ? nil : rank.index * shape.localExperts + routed, rank: Int($0 >> 32),
                        token: Int($0 & 0xFFFF_FFFF), sharedPart: routed < 0 ? local : 0)
                }
                try observed.add(stack, localExpert: local, rows: keys, rank.device) { key in
                    // Whatever sent it, the row is now at home.
                    let routing = inputs[key.rank].routing
                    let choices = routing.experts[key.token * shape.topK..<(key.token + 1) * shape.topK]
                    let row =
                        key.expert.flatMap { choices.firstIndex(of: Int64($0)).map { $0 - choices.startIndex } }
                        ?? shape.topK + key.sharedPart
                    let place = (key.token * shape.tokenRows + row) * shape.hidden * 2
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
