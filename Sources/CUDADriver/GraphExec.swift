/// A graph that can run, any number of times, one run after another.
///
/// It keeps neither the modules nor the memory that its kernels use; their owners must outlive it.
package final class GraphExec: @unchecked Sendable {
    // Sendable: the handle is a constant. The driver asks that one executable graph is not launched by two threads at
    // the same moment; callers ensure that, as with every queue.

    /// The context in which the graph runs.
    package let context: Context
    private let handle: UnsafeMutableRawPointer

    /// Instantiates a graph. Throws `DriverError.callFailed`.
    package init(graph: Graph) throws {
        let context = graph.context
        self.handle = try context.create("cuGraphInstantiateWithFlags", "instantiating a graph") {
            $0.cuGraphInstantiateWithFlags($1, graph.handle, 0)
        }
        self.context = context
    }

    deinit {
        // A run in flight is not disturbed: the driver frees the graph after it.
        context.release { $0.cuGraphExecDestroy(handle) }
    }

    /// Sends the graph to the GPU ahead of its first launch, so that the first is as fast as the others.
    package func upload(on stream: Stream) throws {
        try context.call("cuGraphUpload", "uploading a graph") { $0.cuGraphUpload(handle, stream.handle) }
    }

    /// Runs the graph once when `stream` gets there.
    package func launch(on stream: Stream) throws {
        try context.call("cuGraphLaunch", "launching a graph") { $0.cuGraphLaunch(handle, stream.handle) }
    }
}
