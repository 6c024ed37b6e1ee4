import CUDADriver

/// Objects without references that cannot be freed yet.
struct CUDARetired {
    /// Objects released during captures, which freeing could break.
    var captured: [CUDADevice.Retired] = []
    /// Kernels that may be running.
    var kernels: [Function] = []
    /// The ends of streams that were released with work in them.
    var ends: [Event] = []

    /// The most kernels, and the most ends, that are kept before the device is synchronised.
    static let limit = 64
}

extension CUDADevice {
    /// An object without references.
    enum Retired: Sendable {
        case stream(CUDADriver.Stream)
        case kernel(Function)
        /// Memory, events and graphs: the driver itself frees them after their last use.
        case other(any Sendable)
    }

    /// Called when the last reference to something goes.
    func release(_ object: any Sendable) { retire(.other(object)) }

    /// Called when the last reference to a stream's handle goes.
    func release(_ stream: CUDADriver.Stream, id: Int) {
        tables.withLock { $0.streams[id] = nil }
        retire(.stream(stream))
    }

    /// Called when the last reference to a loaded kernel goes.
    func release(_ kernel: CUDAKernel) {
        let isLast = tables.withLock { tables in
            guard var entry = tables.loaded[kernel.digest] else { return false }
            entry.handles -= 1
            tables.loaded[kernel.digest] = entry.handles > 0 ? entry : nil
            return entry.handles == 0
        }
        if isLast { retire(.kernel(kernel.function)) }
    }

    private func retire(_ object: Retired) {
        let isKept =
            isCapturing
            && tables.withLock { tables in
                guard !tables.captures.isEmpty else { return false }
                tables.retired.captured.append(object)
                return true
            }
        if !isKept { free(object) }
    }

    /// Frees something, or keeps it for `settle`. Not under the lock: the driver may wait for the GPU.
    func free(_ object: Retired) {
        switch object {
        case .other: break
        case .stream(let stream):
            // An error means that the GPU has failed, and no caller could receive it.
            guard let isDone = try? stream.isCapturing() || stream.isDone(), !isDone,
                let end = try? Event(context: context), (try? end.record(on: stream)) != nil
            else { return }
            keep { $0.ends.append(end) }
        case .kernel(let function): keep { $0.kernels.append(function) }
        }
    }

    private func keep(_ change: (inout CUDARetired) -> Void) {
        let isFull = tables.withLock { tables in
            change(&tables.retired)
            return tables.retired.kernels.count + tables.retired.ends.count > CUDARetired.limit
        }
        if isFull { try? settle() }
    }

    /// Waits for all streams, and frees the objects that were kept for them.
    func settle() throws {
        let (streams, ends, kernels) = tables.withLock { tables in
            defer { (tables.retired.ends, tables.retired.kernels) = ([], []) }
            return (Array(tables.streams.values), tables.retired.ends, tables.retired.kernels)
        }
        // Kernels are unloaded at the end of the scope, when nothing runs.
        defer { withExtendedLifetime(kernels) {} }
        // Stream by stream: the driver refuses to wait for a context while any thread captures a stream of it. A
        // captured stream runs nothing, and waiting for it would break the capture.
        for stream in streams where try !stream.isCapturing() { try stream.synchronize() }
        for end in ends { try end.synchronize() }
    }
}
