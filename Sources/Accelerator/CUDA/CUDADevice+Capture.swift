import CUDADriver

extension CUDADevice {
    /// See ``Device/capture(on:_:)``.
    public func capture(on stream: DeviceStream, _ body: () throws -> Void) throws -> DeviceGraph {
        let captured = try find(stream)
        let thread = currentThread()
        let free = tables.withLock { tables in
            guard tables.captures[thread] == nil, !tables.captures.values.contains(stream.id) else { return false }
            tables.captures[thread] = stream.id
            return true
        }
        guard free else { throw DeviceError.capture(.nested) }
        let graph: Graph
        do {
            defer { endCapture(of: thread) }
            graph = try driverCall { try Graph.capture(on: captured, body) }
        } catch DeviceError.driver(.callFailed(let failure)) where failure.code == CUDADevice.captureUnjoined {
            throw DeviceError.capture(.notJoined(stream: stream.id))
        }
        let executable = try driverCall { try graph.instantiate() }
        return DeviceGraph(id: tables.withLock { $0.graphs.insert(executable) })
    }

    /// `CUDA_ERROR_STREAM_CAPTURE_UNJOINED`
    private static let captureUnjoined: Int32 = 904

    private func endCapture(of thread: UInt) {
        let released: [DeviceMemory] = tables.withLock { tables in
            tables.captures[thread] = nil
            guard tables.captures.isEmpty else { return [] }
            defer { tables.released = [] }
            return tables.released
        }
        // Freed here, outside of the lock.
        _ = released
    }

    /// See ``Device/replay(_:on:)``.
    public func replay(_ graph: DeviceGraph, on stream: DeviceStream) throws {
        let (executable, found) = try tables.withLock {
            (try $0.graphs.find(graph.id), try $0.streams.find(stream.id))
        }
        try refuseDuringCapture(to: "replay the graph \(graph.id)")
        try driverCall { try executable.launch(on: found) }
    }
}
