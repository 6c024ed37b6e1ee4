/// What a capture has recorded so far.
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
    /// The steps of all streams in the order of the calls.
    private(set) var steps: [(stream: Int, step: Step)] = []
    /// Whether the capture has ended.
    private(set) var isOver = false
    private var progress: [Int: Progress]
    private var points: [Int: Progress] = [:]

    init(origin: Int) {
        self.origin = origin
        progress = [origin: [:]]
    }

    /// Whether the stream takes part.
    func contains(_ stream: Int) -> Bool { progress[stream] != nil }

    func append(_ operation: SimulatedOperation, on stream: Int) {
        steps.append((stream, .operation(operation)))
        progress[stream, default: [:]][stream, default: 0] += 1
    }

    func record(_ event: Int, on stream: Int) {
        steps.append((stream, .record(event: event)))
        points[event] = progress[stream]
    }

    /// The stream waits for an event of this capture, and takes part from here on.
    func wait(for event: Int, on stream: Int) {
        steps.append((stream, .wait(event: event)))
        progress[stream, default: [:]].merge(points[event] ?? [:], uniquingKeysWith: max)
    }

    /// Ends the recording. Returns a stream that was not joined, or nil when all were.
    func end() -> Int? {
        isOver = true
        let joined = progress[origin] ?? [:]
        return progress.first { stream, own in own[stream, default: 0] > joined[stream, default: 0] }?.key
    }
}
