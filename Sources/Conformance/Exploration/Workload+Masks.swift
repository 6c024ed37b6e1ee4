import Accelerator
import ExpertKernels
import ExpertParallel
import KernelLanguage

extension Workload {
    /// Kernels of groups that mask ranks: where nobody is masked, and where somebody is.
    static func maskWorkloads(narrow: LayerShape, tall: LayerShape) throws -> [Workload] {
        let chain = try LayerShape(hidden: 128, intermediate: 128, experts: 3, topK: 1, ranks: 3, maxTokens: 2)
        return OverlapMode.allCases.flatMap { mode in
            [
                layer(narrow, tokens: [2, 1], overlap: mode, enqueueing: .streamed, onFailure: .mask),
                masking(narrow, tokens: [2, 2], overlap: mode, fault: .absentRank),
            ]
        }
            + [OverlapMode.singleBatch, .direct].map { mode in
                // A wait for a kernel of the own rank fails as elsewhere.
                failingLayer(
                    tall, tokens: [3, 2], overlap: mode, fault: .droppedSignal, multiprocessors: 4, onFailure: .mask)
            } + [
                layer(
                    tall, tokens: [3, 2], overlap: .singleBatch, multiprocessors: 4, communicating: 2,
                    onFailure: .mask),
                layer(tall, tokens: [3, 2], overlap: .direct, onFailure: .mask),
                layer(narrow, tokens: [2, 1], overlap: .none, notesArrivals: true, onFailure: .mask),
                // Rank 0 waits for rows of the last rank, and rank 1 for results of rank 0.
                masking(chain, tokens: [2, 2, 2], overlap: .none, fault: .silentRank, pattern: .firstRank),
                masking(chain, tokens: [2, 2, 2], overlap: .direct, fault: .silentRank, pattern: .firstRank),
                masking(chain, tokens: [2, 2, 2], overlap: .singleBatch, fault: .silentRank, pattern: .firstRank),
                // Rank 0 waits for results of the last rank, and rank 1 for rank 0 to begin its next step.
                masking(
                    chain, tokens: [2, 0, 2], overlap: .none, fault: .keptRows, pattern: .allToOne, stepsAtOnce: 2),
                masking(narrow, tokens: [2, 2], overlap: .direct, fault: .lateRank),
                try communication(.bfloat16, tokens: [3, 0, 2], onFailure: .mask),
                try communication(.float8, tokens: [3, 2], localExperts: 20, onFailure: .mask),
            ]
    }

    /// A step of all ranks, one in which the last rank fails and is masked, and one without it.
    ///
    /// - Parameters:
    ///   - fault: `.absentRank`, `.silentRank`, `.lateRank` or `.keptRows`.
    ///   - stepsAtOnce: How often the others make the step with nothing waited for in between.
    static func masking(
        _ shape: LayerShape, tokens: [Int], overlap: OverlapMode, fault: Fault,
        pattern: LayerFixture.Pattern = .random, stepsAtOnce: Int = 1, multiprocessors: Int = 2,
        network: GroupNetwork? = nil
    ) -> Workload {
        Workload(
            "layer \(overlap.rawValue) \(fault.rawValue) masked hidden=\(shape.hidden) experts=\(shape.experts)"
                + " tokens=\(tokens) sms=\(multiprocessors)" + (network.map { " network=\($0)" } ?? ""),
            multiprocessors: shape.ranks * multiprocessors
        ) { device in
            let fixture = LayerFixture(shape, tokens: tokens, pattern: pattern)
            let layer = try fixture.layer(
                on: device, communicating: overlap == .singleBatch ? 1 : 0, waitLimit: 100e-6,
                halves: overlap == .twoBatch, onFailure: .mask, network: network)
            let last = shape.ranks - 1
            var outputs: [[UInt16]] = []
            for step in 0..<3 {
                let inputs = fixture.inputs(step: step)
                try layer.group.load(inputs)
                for rank in layer.group.ranks where step == 0 || rank.index != last {
                    for _ in 0..<(step == 1 ? stepsAtOnce : 1) { try layer.enqueue(rank, overlap: overlap) }
                }
                if step == 1, fault == .silentRank { try layer.group.ranks[last].dispatchNothing() }
                if step == 1, fault == .lateRank {
                    try device.launch(
                        device.load(delayKernel()), blocks: 1, arguments: [.uint64(300_000)], dependentLaunch: false,
                        on: layer.group.ranks[last].compute)
                    try layer.enqueue(layer.group.ranks[last], overlap: overlap)
                }
                if step == 1, fault == .keptRows { try layer.group.ranks[last].dispatch()() }
                try layer.group.synchronize()
                for (rank, masked) in try layer.group.maskedRanks().enumerated() where rank != last {
                    // Not all need to have waited for it in the step in which it fails.
                    let found = masked.map(\.rank)
                    let isRight = step == 0 ? found.isEmpty : found == [last] || (step == 1 && found.isEmpty)
                    try require(isRight, "step \(step): rank \(rank) has masked \(masked)")
                }
                outputs += try layer.outputs(inputs).dropLast(step == 0 ? 0 : 1).map { $0.map(\.bits) }
            }
            return outputs
        }
    }
}
