import Accelerator
import ExpertKernels
import ExpertParallel
import KernelLanguage

extension Workload {
    /// Kernels of groups that mask ranks: where nobody is masked, and where somebody is.
    static func maskWorkloads(narrow: LayerShape, tall: LayerShape) throws -> [Workload] {
        OverlapMode.allCases.flatMap { mode in
            [
                layer(narrow, tokens: [2, 1], overlap: mode, enqueueing: .streamed, onFailure: .mask),
                masking(narrow, tokens: [2, 2], overlap: mode, fault: .absentRank),
            ]
        } + [
            layer(tall, tokens: [3, 2], overlap: .singleBatch, multiprocessors: 4, communicating: 2, onFailure: .mask),
            layer(tall, tokens: [3, 2], overlap: .direct, onFailure: .mask),
            layer(narrow, tokens: [2, 1], overlap: .direct, notesArrivals: true, onFailure: .mask),
            masking(narrow, tokens: [2, 2], overlap: .direct, fault: .silentRank),
            try communication(.bfloat16, tokens: [3, 0, 2], onFailure: .mask),
            try communication(.float8, tokens: [3, 2], localExperts: 20, onFailure: .mask),
        ]
    }

    /// A step of all ranks, one in which the last rank fails and is masked, and one without it.
    ///
    /// - Parameter fault: `.absentRank` or `.silentRank`.
    static func masking(
        _ shape: LayerShape, tokens: [Int], overlap: OverlapMode, fault: Fault, multiprocessors: Int = 2
    ) -> Workload {
        Workload(
            "layer \(overlap.rawValue) \(fault.rawValue) masked hidden=\(shape.hidden) experts=\(shape.experts)"
                + " tokens=\(tokens) sms=\(multiprocessors)", multiprocessors: shape.ranks * multiprocessors
        ) { device in
            let fixture = LayerFixture(shape, tokens: tokens)
            let layer = try fixture.layer(
                on: device, communicating: 0, waitLimit: 100e-6, halves: overlap == .twoBatch, onFailure: .mask)
            let last = shape.ranks - 1
            var outputs: [[UInt16]] = []
            for step in 0..<3 {
                let inputs = fixture.inputs(step: step)
                try layer.group.load(inputs)
                for rank in layer.group.ranks where step == 0 || rank.index != last {
                    try layer.enqueue(rank, overlap: overlap)
                }
                if step == 1, fault == .silentRank { try layer.group.ranks[last].dispatchNothing() }
                try layer.group.synchronize()
                for (rank, masked) in try layer.group.maskedRanks().enumerated() where rank != last {
                    try requireEqual(
                        "step \(step): ranks that rank \(rank) has masked", masked.map(\.rank),
                        step == 0 ? [] : [last])
                }
                outputs += try layer.outputs(inputs).dropLast(step == 0 ? 0 : 1).map { $0.map(\.bits) }
            }
            return outputs
        }
    }
}
