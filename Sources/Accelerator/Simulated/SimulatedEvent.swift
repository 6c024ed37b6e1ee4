import Simulator

/// An event of the machine, and where it was recorded last.
final class SimulatedEvent: @unchecked Sendable {
    // Sendable: only touched under the lock of its device.
    let event: EventID
    var state = State.new

    enum State {
        case new
        /// On a stream of the machine.
        case recorded(Reading)
        /// In a capture, which may have ended.
        case captured(SimulatedCapture)
    }

    /// The machine's clock when the stream got there, nil before. Each record makes its own.
    final class Reading {
        var time: UInt64?
    }

    init(_ event: EventID) { self.event = event }
}

extension SimulatedDevice {
    /// See ``Device/makeEvent()``.
    public func makeEvent() throws -> DeviceEvent {
        let event = try exclusively { SimulatedEvent(machine.makeEvent()) }
        return DeviceEvent(id: newHandleNumber(), .simulated(event, self))
    }

    private func own(_ handle: DeviceEvent) throws(DeviceError) -> SimulatedEvent {
        guard let event = handle.backing.on(self) else { throw .unknownHandle(kind: .event, id: handle.id) }
        return event
    }

    /// See ``Device/record(_:on:)``.
    public func record(_ event: DeviceEvent, on stream: DeviceStream) throws {
        let (own, stream) = (try own(event), try self.own(stream))
        try exclusively {
            if let capture = activeCapture(of: stream) {
                capture.record(event.id, on: stream)
                own.state = .captured(capture)
            } else {
                let reading = SimulatedEvent.Reading()
                machine.enqueueHostWork(on: stream.stream) { [unowned machine] in reading.time = machine.clock }
                machine.enqueueRecord(own.event, on: stream.stream)
                own.state = .recorded(reading)
                busyStreams.insert(stream.stream)
            }
        }
    }

    /// See ``Device/wait(for:on:)``.
    public func wait(for event: DeviceEvent, on stream: DeviceStream) throws {
        let (own, stream) = (try own(event), try self.own(stream))
        try exclusively {
            let capture = activeCapture(of: stream)
            switch own.state {
            case .captured(let other):
                guard !other.isOver else { throw DeviceError.eventNotRecorded(id: event.id) }
                guard capture == nil || capture === other else {
                    throw DeviceError.capture(.otherCapture(stream: stream.id))
                }
                other.wait(for: event.id, on: stream)
            case .new, .recorded:
                guard capture == nil else { throw DeviceError.capture(.outsideEvent(event: event.id)) }
                machine.enqueueWait(own.event, on: stream.stream)
                busyStreams.insert(stream.stream)
            }
        }
    }

    /// See ``Device/nanoseconds(from:to:)``.
    public func nanoseconds(from start: DeviceEvent, to end: DeviceEvent) throws -> Double {
        let (first, last) = (try own(start), try own(end))
        return try exclusively {
            let begin = try time(of: first, id: start.id)
            return Double(try time(of: last, id: end.id)) - Double(begin)
        }
    }

    private func time(of event: SimulatedEvent, id: Int) throws -> UInt64 {
        guard case .recorded(let reading) = event.state else { throw DeviceError.eventNotRecorded(id: id) }
        guard let time = reading.time else { throw DeviceError.eventNotComplete(id: id) }
        return time
    }
}
