import ExpertKernels
import ExpertParallel
import KernelLanguage

/// A timeline in the trace format of Chrome: ranks are its processes, multiprocessors its threads.
struct ChromeTrace: Encodable {
    private let traceEvents: [Event]

    private struct Event: Encodable {
        let name: String
        let cat: String
        /// A complete event.
        var ph = "X"
        /// Microseconds.
        let ts: Double
        let dur: Double
        let pid: Int
        let tid: Int
        let args: [String: Int]
    }

    init(_ timeline: Timeline) {
        let start = timeline.start
        traceEvents = timeline.ranks.enumerated().flatMap { rank, events in
            events.map { event in
                let phase = StepPhase(rawValue: event.label)?.name ?? "launch \(event.label)"
                let (first, second) = event.subject
                let arguments: [String: Int] =
                    event.kind == .block
                    ? ["block": event.block] : ["block": event.block, "first": Int(first), "second": Int(second)]
                return Event(
                    name: event.kind == .block ? phase : "\(phase): \(event.kind)", cat: "\(event.kind)",
                    ts: Double(event.start - start) / 1e3, dur: Double(event.end - event.start) / 1e3, pid: rank,
                    tid: event.multiprocessor, args: arguments)
            }
        }
    }

    /// The file's content.
    var json: String { get throws { try jsonText(self) } }
}
