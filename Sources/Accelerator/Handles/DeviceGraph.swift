/// Work captured by a device, to be run any number of times. Freed with the last reference; replays under way complete.
///
/// It keeps the kernels that it launches, but neither buffers nor memory that kernels reach through pointers.
public final class DeviceGraph: Sendable {
    /// Number by which errors name the graph.
    public let id: Int
    let backing: Backing<CUDAGraph, SimulatedGraph>

    init(_ backing: Backing<CUDAGraph, SimulatedGraph>) {
        id = newHandleNumber()
        self.backing = backing
    }

    deinit {
        switch backing {
        case .cuda(let graph, let device): device.release(graph)
        case .simulated(let graph, let device): device.release(graph.handles)
        }
    }
}
