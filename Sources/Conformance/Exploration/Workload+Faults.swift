import Accelerator
import ExpertKernels
import ExpertParallel
import KernelLanguage

extension Workload {
    /// What goes wrong in a step.
    package enum Fault: String, CaseIterable, Sendable {
        /// A rank takes no part.
        case absentRank
        /// A rank tells how many rows it sends, and sends none.
        case silentRank
        /// A rank takes the rows of its experts and sends none home; only where ranks are masked.
        case keptRows
        /// A rank begins when the others have given it up; only where ranks are masked.
        case lateRank
        /// A tile of the down GEMM is never announced.
        case droppedSignal
    }

    /// A step in which waits run into their deadlines, which must end all the same, and a whole step after it.
    package static func failingLayer(
        _ shape: LayerShape, tokens: [Int], overlap: OverlapMode, fault: Fault, multiprocessors: Int,
        communicating: Int? = nil, onFailure: FailurePolicy = .stop
    ) -> Workload {
        Workload(
            "layer \(overlap.rawValue) \(fault.rawValue) hidden=\(shape.hidden) experts=\(shape.experts) tokens=\(tokens)"
                + " sms=\(multiprocessors)" + (communicating.map { " communicating=\($0)" } ?? "")
                + (onFailure == .mask ? " with masks" : ""),
            multiprocessors: shape.ranks * multiprocessors
        ) { device in
            let fixture = LayerFixture(shape, tokens: tokens, pattern: fault == .droppedSignal ? .allToOne : .random)
            let dropped = MoELayerGroup.DroppedSignal(rank: shape.ranks - 1, expert: shape.localExperts - 1, block: 0)
            let layer = try fixture.layer(
                on: device, communicating: communicating ?? multiprocessors / 2, waitLimit: 50e-6,
                droppedSignal: fault == .droppedSignal ? dropped : nil,
                halves: overlap == .twoBatch, onFailure: onFailure)
            try layer.group.load(fixture.inputs())
            let working = layer.group.ranks.dropLast(fault == .droppedSignal ? 0 : 1)
            for rank in working { try layer.enqueue(rank, overlap: overlap) }
            if fault == .silentRank, let last = layer.group.ranks.last { try last.dispatchNothing() }
            do {
                try layer.group.synchronize()
                throw ConformanceFailure("the step ended in spite of the fault")
            } catch GroupError.waitTimedOut {}
            try layer.group.reset()
            return []
        }
    }
}
