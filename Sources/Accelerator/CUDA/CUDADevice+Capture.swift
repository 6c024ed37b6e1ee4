import CUDADriver

/// A capture under way.
struct CUDACapture {
    /// The captured stream's handle.
    let stream: UInt
    /// Kernels launched meanwhile, by any thread: a graph does not keep their code itself.
    var kernels: [Int: LoadedKernel] = [:]
}

/// A captured graph.
struct CUDAGraph: Sendable {
    let executable: GraphExec
    let kernels: [LoadedKernel]
}

extension CUDADevice {
    /// See ``Device/capture(on:_:)``.
    public func capture(on stream: DeviceStream, _ body: () throws -> Void) throws -> DeviceGraph {
        let captured = try own(stream)
        guard !captured.isLegacy else { throw DeviceError.capture(.legacyStream) }
        let thread = currentThread()
        guard beginCapture(of: stream.handle, thread) else { throw DeviceError.capture(.nested) }
        let graph: Graph
        var kernels: [LoadedKernel] = []
        do {
            defer { kernels = endCapture(thread) }
            graph = try driverCall { try Graph.capture(on: captured, body) }
        } catch DeviceError.driver(.callFailed(let failure)) where failure.code == CUDADevice.captureUnjoined {
            throw DeviceError.capture(.notJoined(stream: stream.id))
        }
        let executable = try driverCall { try graph.instantiate() }
        return DeviceGraph(.cuda(CUDAGraph(executable: executable, kernels: kernels), self))
    }

    /// See ``Device/isCapturing(_:)``.
    public func isCapturing(_ stream: DeviceStream) throws -> Bool {
        let own = try own(stream)
        return try driverCall { try own.isCapturing() }
    }

    /// `CUDA_ERROR_STREAM_CAPTURE_UNJOINED`
    private static let captureUnjoined: Int32 = 904

    private func beginCapture(of stream: UInt, _ thread: UInt) -> Bool {
        tables.withLock { tables in
            guard tables.captures[thread] == nil, !tables.captures.values.contains(where: { $0.stream == stream })
            else { return false }
            tables.captures[thread] = CUDACapture(stream: stream)
            captures.store(tables.captures.count, ordering: .relaxed)
            return true
        }
    }

    /// Returns the kernels launched since the capture began.
    private func endCapture(_ thread: UInt) -> [LoadedKernel] {
        let (kernels, retired) = tables.withLock { tables in
            let capture = tables.captures.removeValue(forKey: thread)
            captures.store(tables.captures.count, ordering: .relaxed)
            let kernels = capture.map { Array($0.kernels.values) } ?? []
            guard tables.captures.isEmpty else { return (kernels, [Retired]()) }
            defer { tables.retired.captured = [] }
            return (kernels, tables.retired.captured)
        }
        // Outside of the lock.
        retired.forEach(free)
        return kernels
    }

    /// Keeps a kernel for the graphs that are being captured.
    func note(_ kernel: LoadedKernel) {
        tables.withLock { tables in
            // One handle of each kernel is enough. Another may not replace it, as that would release a handle under the
            // lock.
            for (thread, capture) in tables.captures where capture.kernels[kernel.id] == nil {
                tables.captures[thread]?.kernels[kernel.id] = kernel
            }
        }
    }

    /// See ``Device/replay(_:on:)``.
    public func replay(_ graph: DeviceGraph, on stream: DeviceStream) throws {
        guard let own = graph.backing.on(self) else { throw DeviceError.unknownHandle(kind: .graph, id: graph.id) }
        let stream = try self.own(stream)
        try refuseDuringCapture(to: "replay the graph \(graph.id)")
        try driverCall { try own.executable.launch(on: stream) }
    }
}
