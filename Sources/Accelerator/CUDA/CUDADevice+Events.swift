import CUDADriver
import Synchronization

/// An event, and where it was recorded last.
final class CUDAEvent: Sendable {
    let event: Event
    let state = Atomic(State.new)

    enum State: UInt8, AtomicRepresentable {
        case new, recorded, captured
    }

    init(_ event: Event) { self.event = event }
}

extension CUDADevice {
    /// See ``Device/makeEvent()``.
    public func makeEvent() throws -> DeviceEvent {
        let event = try driverCall { try Event(context: context, timing: true) }
        return DeviceEvent(id: newHandleNumber(), .cuda(CUDAEvent(event), self))
    }

    private func own(_ handle: DeviceEvent) throws(DeviceError) -> CUDAEvent {
        guard let event = handle.backing.on(self) else { throw .unknownHandle(kind: .event, id: handle.id) }
        return event
    }

    /// See ``Device/record(_:on:)``.
    public func record(_ event: DeviceEvent, on stream: DeviceStream) throws {
        let (own, stream) = (try own(event), try self.own(stream))
        let captured = try driverCall {
            try own.event.record(on: stream)
            return try isCapturing && stream.isCapturing()
        }
        own.state.store(captured ? .captured : .recorded, ordering: .relaxed)
    }

    /// See ``Device/wait(for:on:)``.
    public func wait(for event: DeviceEvent, on stream: DeviceStream) throws {
        let (own, stream) = (try own(event), try self.own(stream))
        do {
            try driverCall { try stream.wait(for: own.event) }
        } catch DeviceError.driver(.callFailed(let failure)) where failure.code == CUDADevice.captureIsolation {
            throw DeviceError.capture(.outsideEvent(event: event.id))
        }
    }

    /// `CUDA_ERROR_STREAM_CAPTURE_ISOLATION`
    private static let captureIsolation: Int32 = 905

    /// See ``Device/nanoseconds(from:to:)``.
    public func nanoseconds(from start: DeviceEvent, to end: DeviceEvent) throws -> Double {
        let (first, last) = (try own(start), try own(end))
        for (handle, own) in [(start, first), (end, last)] {
            guard own.state.load(ordering: .relaxed) == .recorded else {
                throw DeviceError.eventNotRecorded(id: handle.id)
            }
            guard try driverCall({ try own.event.isDone() }) else {
                throw DeviceError.eventNotComplete(id: handle.id)
            }
        }
        return try driverCall { try last.event.milliseconds(since: first.event) } * 1e6
    }
}
