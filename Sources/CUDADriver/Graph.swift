/// Work recorded from a stream, to be instantiated as a `GraphExec`.
package final class Graph: @unchecked Sendable {
    // Sendable: the handle is a constant and the graph is not changed after its capture.

    /// The context in which the work was recorded.
    package let context: Context
    let handle: UnsafeMutableRawPointer

    /// Records what `body` puts into `stream`, instead of running it. Other streams take part in the recording when
    /// they wait for an event recorded in `stream`, and must be joined to it again, by an event, before `body` ends.
    ///
    /// The capture is thread-local: on this thread `body` may not allocate, free, copy without a stream, or wait; other
    /// threads are not affected. Memory and modules used must outlive every `GraphExec` made from the graph.
    ///
    /// Throws what `body` throws, after the capture has been ended, and `DriverError.callFailed`.
    package static func capture(on stream: Stream, _ body: () throws -> Void) throws -> Graph {
        try stream.beginCapture()
        do {
            try body()
        } catch {
            _ = try? stream.endCapture()
            throw error
        }
        return try stream.endCapture()
    }

    init(handle: UnsafeMutableRawPointer, context: Context) {
        self.handle = handle
        self.context = context
    }

    deinit {
        context.release { $0.cuGraphDestroy(handle) }
    }

    /// The number of nodes. Throws `DriverError.callFailed`.
    package func nodeCount() throws -> Int {
        var count = 0
        try context.call("cuGraphGetNodes", "counting the nodes of a graph") { $0.cuGraphGetNodes(handle, nil, &count) }
        return count
    }

    /// Makes the graph ready to run. Throws `DriverError.callFailed`.
    package func instantiate() throws -> GraphExec {
        try GraphExec(graph: self)
    }
}

extension Stream {
    /// Starts recording this stream's work in thread-local mode; see `Graph.capture`. Begin and end on one thread.
    package func beginCapture() throws {
        let threadLocal: Int32 = 1
        try context.call("cuStreamBeginCapture_v2", "starting to capture a stream") {
            $0.cuStreamBeginCapture(handle, threadLocal)
        }
    }

    /// Ends the recording and returns the graph. Throws `DriverError.callFailed`, also when the recording became
    /// invalid; the stream is usable again in either case.
    package func endCapture() throws -> Graph {
        let graph = try context.create("cuStreamEndCapture", "ending the capture of a stream") {
            $0.cuStreamEndCapture(handle, $1)
        }
        return Graph(handle: graph, context: context)
    }

    /// Whether the stream's work is being recorded; for the legacy default stream, which may not be used meanwhile,
    /// also whether that of any stream is that synchronises with it. Throws `DriverError.callFailed`.
    package func isCapturing() throws -> Bool {
        var status: Int32 = 0
        let answers = try context.query(
            "cuStreamIsCapturing", "asking whether a stream is being captured", no: ResultCode.captureImplicit
        ) { $0.cuStreamIsCapturing(handle, &status) }
        return !answers || status != 0
    }
}
