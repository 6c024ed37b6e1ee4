/// The steps that a capture has recorded so far.
///
/// It follows the driver's rules: a stream takes part once it waits for an event of the capture, and at the end the
/// captured stream must wait, directly or not, for all work of all others.
final class SimulatedCapture: @unchecked Sendable {
    // Sendable: only touched under the lock of its device.

    /// One step of one stream.
    enum Step {
        case operation(SimulatedOperation)
        case record(event: Int)
        case wait(event: Int)
    }

    /// How many operations of each stream come before a point.
    private typealias Progress = [Int: Int]

    /// The captured stream.
    let origin: Int
    /// All streams that take part, by their numbers.
    private(set) var streams: [Int: SimulatedStream]
    /// The steps of all streams in the order of the calls.
    private(set) var steps: [(stream: Int, step: Step)] = []
    /// Whether the capture has ended.
    private(set) var isOver = false
    private var progress: [Int: Progress]
    private var points: [Int: Progress] = [:]

    init(origin: SimulatedStream) {
        self.origin = origin.id
        streams = [origin.id: origin]
        progress = [origin.id: [:]]
    }

    /// Whether the stream takes part.
    func contains(_ stream: SimulatedStream) -> Bool { streams[stream.id] != nil }

    func append(_ operation: SimulatedOperation, on stream: SimulatedStream) {
        steps.append((stream.id, .operation(operation)))
        progress[stream.id, default: [:]][stream.id, default: 0] += 1
    }

    func record(_ event: Int, on stream: SimulatedStream) {
        steps.append((stream.id, .record(event: event)))
        points[event] = progress[stream.id]
    }

    /// The stream waits for an event of this capture, and takes part from here on.
    func wait(for event: Int, on stream: SimulatedStream) {
        streams[stream.id] = stream
        steps.append((stream.id, .wait(event: event)))
        progress[stream.id, default: [:]].merge(points[event] ?? [:], uniquingKeysWith: max)
    }

    /// Ends the recording. Returns a stream that was not joined, or nil when all were.
    func end() -> Int? {
        isOver = true
        let joined = progress[origin] ?? [:]
        return progress.first { stream, own in own[stream, default: 0] > joined[stream, default: 0] }?.key
    }
}
