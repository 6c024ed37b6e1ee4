/// The trace that a kernel being built writes to.
struct Trace {
    let events: Pointer<UInt64>
    let label: Value<UInt32>
}

/// Further parameters of a traced kernel, before its own.
public struct TraceParameters: KernelParameters {
    /// UInt64 `[TraceEvent.traceBytes / 8]`.
    public var trace: MemoryParameter<UInt64>
    /// Label of the kernel's events, at most 255.
    public var traceLabel: ScalarParameter<UInt32>

    /// A trace, and the label of the launch.
    public init(trace: MemoryParameter<UInt64>, label: UInt32) {
        self.trace = trace
        traceLabel = ScalarParameter(label)
    }
}

extension KernelBuilder {
    /// Whether kernels built in this task record spans. A traced kernel has `TraceParameters` before all others.
    /// Without tracing, spans cost nothing: they are not there.
    @TaskLocal public static var isTracing = false

    /// Records when `body` began and ended, on the lanes where `condition` holds.
    ///
    /// - Parameters:
    ///   - kind: Kind of the event.
    ///   - condition: Lanes that record it; all when nil.
    ///   - subject: Two numbers for the event, known after `body`.
    ///   - body: The code that is timed.
    public func span(
        _ kind: TraceEvent.Kind, where condition: Condition? = nil,
        _ subject: @autoclosure () -> (Value<UInt32>, Value<UInt32>), _ body: () -> Void
    ) {
        guard trace != nil else { return body() }
        let start = globalTimer
        body()
        let (first, second) = subject()
        `if`(condition ?? constant(true)) { note(kind, from: start, first, second) }
    }

    /// Appends an event that ends now.
    func note(_ kind: TraceEvent.Kind, from start: Value<UInt64>, _ first: Value<UInt32>, _ second: Value<UInt32>) {
        guard let trace else { return }
        let number = atomic(.add, trace.events, constant(UInt64(1)), order: .relaxed(.gpu))
        `if`(number < TraceEvent.capacity) {
            let event = trace.events + TraceEvent.headerWords + number * TraceEvent.words
            let place = (multiprocessor << 16) | (trace.label << 8) | Int(kind.rawValue)
            store(packUInt64(low: place, high: blockIndex), to: event)
            store(start, to: event + 1)
            store(globalTimer, to: event + 2)
            store(packUInt64(low: first, high: second), to: event + 3)
        }
    }
}
