/// An event of a traced kernel, with the device's clock at its start and its end.
public struct TraceEvent: Hashable, Sendable, Codable {
    /// Kind of event.
    public enum Kind: UInt32, CaseIterable, Hashable, Sendable, Codable {
        /// A block ran, from its first thread's start to that thread's end.
        case block = 1
        /// A piece of work was done.
        case work = 2
        /// Something was waited for.
        case wait = 3
        /// Something was sent.
        case send = 4
    }

    /// Kind of event.
    public var kind: Kind
    /// The host's label of the launch.
    public var label: UInt32
    /// Multiprocessor that the block ran on.
    public var multiprocessor: Int
    /// Block of the grid.
    public var block: Int
    /// Nanoseconds of the device's clock.
    public var start: UInt64
    /// Nanoseconds of the device's clock.
    public var end: UInt64
    /// Subject, as the kernel names it: an expert, say, and a row block.
    public var subject: (UInt32, UInt32) { (first, second) }
    private var first: UInt32
    private var second: UInt32

    /// UInt64 words of an event in device memory.
    static let words = 4
    /// UInt64 words before the first event, of which the first is the number of events.
    static let headerWords = 4
    /// Events that a trace has room for; later ones are counted only.
    public static let capacity = 1 << 15
    /// Bytes of a trace in device memory, all zero before it begins.
    public static var traceBytes: Int { (headerWords + capacity * words) * 8 }

    /// Reads a trace, from its first word on.
    public static func events(in trace: [UInt64]) -> [TraceEvent] {
        guard let count = trace.first else { return [] }
        let room = (trace.count - headerWords) / words
        return (0..<min(Int(clamping: count), room)).compactMap { index in
            let first = headerWords + index * words
            return TraceEvent(Array(trace[first..<first + words]))
        }
    }

    private init?(_ event: [UInt64]) {
        guard let kind = Kind(rawValue: UInt32(event[0] & 0xFF)) else { return nil }
        self.kind = kind
        label = UInt32(event[0] >> 8 & 0xFF)
        multiprocessor = Int(event[0] >> 16 & 0xFFFF)
        block = Int(event[0] >> 32)
        (start, end) = (event[1], event[2])
        (first, second) = (UInt32(truncatingIfNeeded: event[3]), UInt32(event[3] >> 32))
    }
}
