import ExpertKernels
import ExpertParallel
import KernelLanguage

/// A timeline as a picture: time runs to the right, each rank has a panel, and each of its multiprocessors a line in
/// it. Thread blocks of kernels are pale, their pieces of work full, waits grey, and sends black.
struct TimelinePicture {
    private let timeline: Timeline
    private let title: String
    private let left = 70.0
    private let width = 1_100.0
    private let top = 58.0
    private let panelGap = 26.0

    init(_ timeline: Timeline, title: String) {
        self.timeline = timeline
        self.title = title
    }

    /// The picture.
    var svg: String {
        var body = ""
        var y = top
        for (rank, events) in timeline.ranks.enumerated() {
            let multiprocessors = Array(Set(events.map(\.multiprocessor))).sorted()
            let line = max(1.6, min(8, 230 / Double(max(1, multiprocessors.count))))
            let height = line * Double(multiprocessors.count)
            body += text("rank \(rank)", x: left - 8, y: y + height / 2, anchor: "end")
            body +=
                "<rect x=\"\(left)\" y=\"\(fixed(y, 1))\" width=\"\(width)\" height=\"\(fixed(height, 1))\" "
                + "fill=\"#fafafa\"/>\n"
            let rows = Dictionary(
                uniqueKeysWithValues: multiprocessors.enumerated().map { ($1, y + Double($0) * line) })
            for kind in [TraceEvent.Kind.block, .work, .wait, .send] {
                for event in events where event.kind == kind {
                    body += rectangle(event, y: rows[event.multiprocessor] ?? y, height: line)
                }
            }
            y += height + panelGap
        }
        let axis = axis(y: y - panelGap)
        return """
            <svg xmlns="http://www.w3.org/2000/svg" width="\(fixed(left + width + 20, 0))" height="\(fixed(y + 14, 0))" \
            font-family="sans-serif" font-size="12">
            <rect width="100%" height="100%" fill="white"/>
            \(text(title, x: left, y: 18, anchor: "start"))\(legend)\(body)\(axis)</svg>

            """
    }

    private var nanoseconds: Double { Double(max(1, timeline.end - timeline.start)) }

    private func x(_ time: UInt64) -> Double { left + Double(time - timeline.start) / nanoseconds * width }

    private func rectangle(_ event: TraceEvent, y: Double, height: Double) -> String {
        let (from, to) = (x(event.start), x(event.end))
        // Events too short to be seen are left out, except sends.
        if event.kind != .send, to - from < 0.4 { return "" }
        let (colour, opacity, part): (String, String, Double) =
            switch event.kind {
            case .block: (Self.colour(event.label), "0.4", 1)
            case .work: (Self.colour(event.label), "1", 0.9)
            case .wait: ("#9a9a9a", "1", 0.5)
            case .send: ("#000000", "1", 0.5)
            }
        let shown = event.kind == .send ? (to - 0.8, 0.8) : (from, to - from)
        return "<rect x=\"\(fixed(shown.0, 1))\" y=\"\(fixed(y, 1))\" width=\"\(fixed(max(0.4, shown.1), 1))\" "
            + "height=\"\(fixed(height * part, 1))\" fill=\"\(colour)\" fill-opacity=\"\(opacity)\"/>\n"
    }

    private static func colour(_ label: UInt32) -> String {
        switch StepPhase(rawValue: label) {
        case .dispatchSend: "#d95f02"
        case .dispatchReceive: "#e6ab02"
        case .gateUp: "#1b9e77"
        case .down: "#1f78b4"
        case .combineSend: "#e7298a"
        case .combineReceive: "#a6761d"
        case .rankBarrier: "#7570b3"
        case nil: "#444444"
        }
    }

    private var legend: String {
        let labels = Set(timeline.ranks.joined().map(\.label)).sorted()
        var entries = labels.map { (Self.colour($0), StepPhase(rawValue: $0)?.name ?? "launch \($0)") }
        entries += [("#9a9a9a", "waits"), ("#000000", "sent")]
        var (result, place) = ("", left)
        for (colour, name) in entries {
            result += "<rect x=\"\(fixed(place, 0))\" y=\"30\" width=\"10\" height=\"10\" fill=\"\(colour)\"/>\n"
            result += text(name, x: place + 14, y: 39, anchor: "start")
            place += 26 + Double(name.count) * 6.4
        }
        return result
    }

    /// Ticks at round numbers of microseconds, about ten of them.
    private func axis(y: Double) -> String {
        let microseconds = nanoseconds / 1e3
        let steps = [0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000]
        let step = steps.first { microseconds / $0 <= 12 } ?? microseconds / 10
        return stride(from: 0, through: microseconds, by: step).map { time in
            let place = left + time / microseconds * width
            return
                "<line x1=\"\(fixed(place, 1))\" x2=\"\(fixed(place, 1))\" y1=\"\(fixed(top, 0))\" "
                + "y2=\"\(fixed(y + 4, 1))\" stroke=\"#000000\" stroke-opacity=\"0.12\"/>\n"
                + text(fixed(time, step < 1 ? 1 : 0) + (time == 0 ? " µs" : ""), x: place, y: y + 18, anchor: "middle")
        }.joined()
    }

    private func text(_ content: String, x: Double, y: Double, anchor: String) -> String {
        "<text x=\"\(fixed(x, 1))\" y=\"\(fixed(y, 1))\" text-anchor=\"\(anchor)\">\(content)</text>\n"
    }
}
