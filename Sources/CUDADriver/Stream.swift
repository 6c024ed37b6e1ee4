/// A queue of work on a GPU, which runs in order. One made here does not wait for the legacy default stream, and is
/// destroyed with the last reference; its enqueued work still completes.
package final class Stream: @unchecked Sendable {
    // Sendable: the handle is a constant, and the driver accepts work for a stream from any thread.

    /// The context to which the stream belongs.
    package let context: Context
    /// The priority, lower numbers are more urgent; nil for an adopted stream.
    package let priority: Int?
    /// The driver's `CUstream`.
    package let handle: UnsafeMutableRawPointer

    /// Makes a stream. `priority` must lie in `context.streamPriorities`; lower numbers are more urgent, and 0 is the
    /// ordinary one.
    ///
    /// Throws `DriverError.invalidArgument` for another priority, or `.callFailed`.
    package init(context: Context, priority: Int = 0) throws {
        guard context.streamPriorities.contains(priority) else {
            throw DriverError.invalidArgument(
                "The stream priority \(priority) does not exist; choose one in \(context.streamPriorities).")
        }
        let nonBlocking: UInt32 = 1
        self.handle = try context.create("cuStreamCreateWithPriority", "making a stream of priority \(priority)") {
            $0.cuStreamCreateWithPriority($1, nonBlocking, Int32(priority))
        }
        self.context = context
        self.priority = priority
    }

    init(adopted handle: UnsafeMutableRawPointer, context: Context) {
        self.handle = handle
        self.context = context
        self.priority = nil
    }

    deinit {
        if priority != nil { context.release { $0.cuStreamDestroy(handle) } }
    }

    /// Waits until all work put into the stream so far is done. Throws `DriverError.callFailed`, also for errors of
    /// kernels launched earlier.
    package func synchronize() throws {
        try context.call("cuStreamSynchronize", "waiting for a stream") { $0.cuStreamSynchronize(handle) }
    }

    /// Makes later work of this stream wait until the work before the latest record of `event` is done.
    package func wait(for event: Event) throws {
        try context.call("cuStreamWaitEvent", "making a stream wait for an event") {
            $0.cuStreamWaitEvent(handle, event.handle, 0)
        }
    }

    /// Whether all work put into the stream so far is done. Throws `DriverError.callFailed`.
    package func isDone() throws -> Bool {
        try context.query("cuStreamQuery", "asking whether a stream is done") { $0.cuStreamQuery(handle) }
    }
}
