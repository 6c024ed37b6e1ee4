import Simulator

/// An object without references.
enum SimulatedRelease: Sendable {
    /// One handle of a stream.
    case stream(SimulatedStream)
    /// A stream without handles: one of a graph.
    case fork(StreamID)
    case event(EventID)
    /// One handle of a kernel.
    case kernel(SimulatedKernel)
    case memory(SimulatedAllocation)
}

/// Objects without references that work under way may use.
struct SimulatedRetired {
    var streams: [StreamID] = []
    var memory: [SimulatedAllocation] = []
    /// Nothing runs any more: the machine has stopped at an error.
    var isOver = false
}

extension SimulatedDevice {
    /// Frees objects without references that no stream can use any more. Call under the lock.
    ///
    /// - Returns: The owners' `whenReleased` of adopted memory, for the caller to call outside the lock.
    func freeReleased() -> [@Sendable () -> Void] {
        for object in released.withLock({ list in
            defer { list = [] }
            return list
        }) {
            switch object {
            case .event(let event): machine.free(event)
            case .fork(let stream): retired.streams.append(stream)
            case .memory(let allocation): retired.memory.append(allocation)
            case .stream(let stream):
                guard var entry = streams[stream.handle] else { continue }
                entry.handles -= 1
                streams[stream.handle] = entry.handles > 0 ? entry : nil
                if entry.handles == 0 { retired.streams.append(stream.stream) }
            case .kernel(let kernel):
                guard var entry = loaded[kernel.kernel] else { continue }
                entry.handles -= 1
                loaded[kernel.kernel] = entry.handles > 0 ? entry : nil
            }
        }
        if !retired.streams.isEmpty {
            let isOver = retired.isOver
            retired.streams.removeAll { stream in
                guard machine.isIdle(stream) || isOver else { return false }
                machine.free(stream)
                busyStreams.remove(stream)
                return true
            }
        }
        guard busyStreams.isEmpty, !retired.memory.isEmpty else { return [] }
        defer { retired.memory = [] }
        return retired.memory.compactMap(free)
    }
}
