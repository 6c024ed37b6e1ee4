import Accelerator
import ExpertKernels
import KernelLanguage

/// The events of the ranks' kernels, in nanoseconds of the device's clock.
public struct Timeline: Hashable, Sendable, Codable {
    /// Events of each rank, by start.
    public var ranks: [[TraceEvent]]

    /// Events of each rank.
    public init(ranks: [[TraceEvent]]) { self.ranks = ranks }

    /// When the first of them began.
    public var start: UInt64 { ranks.joined().map(\.start).min() ?? 0 }
    /// When the last of them ended.
    public var end: UInt64 { ranks.joined().map(\.end).max() ?? 0 }
}

extension ExpertRank {
    /// Reads what traced kernels have noted since the last call, by start, and starts anew. Nothing of the rank may be
    /// running. Empty unless the configuration is `traced`.
    public func takeTraceEvents() throws -> [TraceEvent] {
        guard let trace = records.trace else { return [] }
        let words = try device.read(UInt64.self, count: trace.count, from: trace.buffer)
        try device.fill(trace.buffer, with: 0, on: compute)
        try device.synchronize(compute)
        return TraceEvent.events(in: words).sorted { $0.start < $1.start }
    }
}

extension RankGroup {
    /// The events of all ranks; see ``ExpertRank/takeTraceEvents()``.
    public func takeTimeline() throws -> Timeline { Timeline(ranks: try ranks.map { try $0.takeTraceEvents() }) }
}
