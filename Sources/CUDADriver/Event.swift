/// A mark in a stream, for ordering streams and for measuring time.
package final class Event: @unchecked Sendable {
    // Sendable: the handle is a constant, and the driver accepts an event from any thread.

    /// The context to which the event belongs.
    package let context: Context
    /// Whether the event records the time. Recording and waiting are cheaper without.
    package let timing: Bool
    let handle: UnsafeMutableRawPointer

    /// Makes an event. Throws `DriverError.callFailed`.
    package init(context: Context, timing: Bool = false) throws {
        let disableTiming: UInt32 = 2
        self.handle = try context.create("cuEventCreate", "making an event") {
            $0.cuEventCreate($1, timing ? 0 : disableTiming)
        }
        self.context = context
        self.timing = timing
    }

    deinit {
        context.release { $0.cuEventDestroy(handle) }
    }

    /// Marks the present end of `stream`'s work.
    ///
    /// While the stream is being captured, the mark only orders the graph's nodes. With `external` it becomes a node
    /// that records this event each time the graph runs, which is how parts of a graph are timed; `external` is
    /// allowed only during a capture.
    package func record(on stream: Stream, external: Bool = false) throws {
        try context.call("cuEventRecordWithFlags", "recording an event") {
            $0.cuEventRecordWithFlags(handle, stream.handle, external ? 1 : 0)
        }
    }

    /// Waits until the work before the latest record is done.
    package func synchronize() throws {
        try context.call("cuEventSynchronize", "waiting for an event") { $0.cuEventSynchronize(handle) }
    }

    /// Whether the work before the latest record is done; true for an event never recorded.
    package func isDone() throws -> Bool {
        try context.query("cuEventQuery", "asking whether an event is done") { $0.cuEventQuery(handle) }
    }

    /// The milliseconds between the record of `start` and of this event, with a resolution of about half a microsecond.
    /// Both must be done and made with `timing`.
    ///
    /// Throws `DriverError.invalidArgument` for events without timing, or `.callFailed`.
    package func milliseconds(since start: Event) throws -> Double {
        guard timing, start.timing else {
            throw DriverError.invalidArgument(
                "The time between two events is known only when both were made with timing; make them so.")
        }
        var milliseconds: Float = 0
        try context.call("cuEventElapsedTime", "asking for the time between two events") {
            $0.cuEventElapsedTime(&milliseconds, start.handle, handle)
        }
        return Double(milliseconds)
    }
}
