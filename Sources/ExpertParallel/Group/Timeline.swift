import Accelerator
import ExpertKernels
import KernelLanguage

/// What the ranks' kernels did and when, in nanoseconds of the device's clock.
public struct Timeline: Hashable, Sendable {
    /// Events of each rank, by start.
    public var ranks: [[TraceEvent]]
    /// When the first of them began.
    public var start: UInt64 { ranks.joined().map(\.start).min() ?? 0 }
    /// When the last of them ended.
    public var end: UInt64 { ranks.joined().map(\.end).max() ?? 0 }
}

extension RankGroup {
    /// Reads what traced kernels have noted since the last call, and starts anew. Nothing of the group may be running. Empty
    /// unless the group is `traced`.
    public func takeTimeline() throws -> Timeline {
        Timeline(
            ranks: try ranks.map { rank in
                guard let trace = rank.trace else { return [] }
                let words = try device.read(UInt64.self, count: trace.bytes / 8, from: trace)
                try device.fill(trace, with: 0, on: rank.compute)
                try device.synchronize(rank.compute)
                return TraceEvent.events(in: words).sorted { $0.start < $1.start }
            })
    }
}
