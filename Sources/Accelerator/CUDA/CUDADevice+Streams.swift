import CUDADriver

extension CUDADevice {
    /// See ``Device/makeStream(label:rank:)``. On a GPU it makes no difference which rank it is.
    public func makeStream(label: String, rank: Int) throws -> DeviceStream {
        let stream = try driverCall { try Stream(context: context) }
        return DeviceStream(id: tables.withLock { $0.streams.insert(stream) })
    }

    /// See ``Device/makeEvent()``.
    public func makeEvent() throws -> DeviceEvent {
        let event = try driverCall { try Event(context: context, timing: true) }
        return DeviceEvent(id: tables.withLock { $0.events.insert(CUDAEvent(event: event, state: .new)) })
    }

    /// See ``Device/record(_:on:)``.
    public func record(_ event: DeviceEvent, on stream: DeviceStream) throws {
        let (entry, stream, captures) = try tables.withLock {
            (try $0.events.find(event.id), try $0.streams.find(stream.id), !$0.captures.isEmpty)
        }
        let captured = try driverCall {
            try entry.event.record(on: stream)
            return try captures && stream.isCapturing()
        }
        tables.withLock {
            $0.events.update(event.id, CUDAEvent(event: entry.event, state: captured ? .captured : .recorded))
        }
    }

    /// See ``Device/wait(for:on:)``.
    public func wait(for event: DeviceEvent, on stream: DeviceStream) throws {
        let (entry, stream) = try tables.withLock { (try $0.events.find(event.id), try $0.streams.find(stream.id)) }
        do {
            try driverCall { try stream.wait(for: entry.event) }
        } catch DeviceError.driver(.callFailed(let failure)) where failure.code == CUDADevice.captureIsolation {
            throw DeviceError.capture(.outsideEvent(event: event.id))
        }
    }

    /// `CUDA_ERROR_STREAM_CAPTURE_ISOLATION`
    private static let captureIsolation: Int32 = 905

    /// See ``Device/nanoseconds(from:to:)``.
    public func nanoseconds(from start: DeviceEvent, to end: DeviceEvent) throws -> Double {
        let (first, last) = try tables.withLock { (try $0.events.find(start.id), try $0.events.find(end.id)) }
        for (handle, entry) in [(start, first), (end, last)] {
            guard case .recorded = entry.state else { throw DeviceError.eventNotRecorded(id: handle.id) }
            guard try driverCall({ try entry.event.isDone() }) else {
                throw DeviceError.eventNotComplete(id: handle.id)
            }
        }
        return try driverCall { try last.event.milliseconds(since: first.event) } * 1e6
    }

    /// See ``Device/synchronize(_:)``.
    public func synchronize(_ stream: DeviceStream) throws {
        let found = try find(stream)
        try refuseDuringCapture(to: "wait for the stream \(stream.id)")
        try driverCall { try found.synchronize() }
    }

    /// See ``Device/synchronize()``.
    public func synchronize() throws {
        try refuseDuringCapture(to: "wait for the device")
        // Stream by stream: the driver refuses to wait for a context while any thread captures a stream of it. A
        // captured stream runs nothing, and waiting for it would break the capture.
        for stream in tables.withLock({ Array($0.streams.values) }) {
            try driverCall {
                if try !stream.isCapturing() { try stream.synchronize() }
            }
        }
    }
}
