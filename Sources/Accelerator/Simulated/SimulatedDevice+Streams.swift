import Simulator

extension SimulatedDevice {
    /// See ``Device/makeStream(label:rank:)``.
    public func makeStream(label: String, rank: Int) throws -> DeviceStream {
        try exclusively {
            let stream = machine.makeStream(label: label, rank: rank)
            return DeviceStream(id: streams.insert(SimulatedStreamEntry(stream: stream, label: label, rank: rank)))
        }
    }

    /// See ``Device/makeEvent()``.
    public func makeEvent() throws -> DeviceEvent {
        try exclusively { DeviceEvent(id: events.insert(SimulatedEvent(event: machine.makeEvent(), state: .new))) }
    }

    /// See ``Device/record(_:on:)``.
    public func record(_ event: DeviceEvent, on stream: DeviceStream) throws {
        try exclusively {
            var found = try events.find(event.id)
            let entry = try streams.find(stream.id)
            if let capture = activeCapture(of: stream.id) {
                capture.record(event.id, on: stream.id)
                found.state = .captured(capture)
            } else {
                let reading = SimulatedEvent.Reading()
                machine.enqueueHostWork(on: entry.stream) { [unowned machine] in reading.time = machine.clock }
                machine.enqueueRecord(found.event, on: entry.stream)
                found.state = .recorded(reading)
                busyStreams.insert(stream.id)
            }
            events.update(event.id, found)
        }
    }

    /// See ``Device/wait(for:on:)``.
    public func wait(for event: DeviceEvent, on stream: DeviceStream) throws {
        try exclusively {
            let found = try events.find(event.id)
            let entry = try streams.find(stream.id)
            let capture = activeCapture(of: stream.id)
            switch found.state {
            case .captured(let other):
                guard !other.isOver else { throw DeviceError.eventNotRecorded(id: event.id) }
                guard capture == nil || capture === other else {
                    throw DeviceError.capture(.otherCapture(stream: stream.id))
                }
                other.wait(for: event.id, on: stream.id)
            case .new, .recorded:
                guard capture == nil else { throw DeviceError.capture(.outsideEvent(event: event.id)) }
                machine.enqueueWait(found.event, on: entry.stream)
                busyStreams.insert(stream.id)
            }
        }
    }

    /// See ``Device/nanoseconds(from:to:)``.
    public func nanoseconds(from start: DeviceEvent, to end: DeviceEvent) throws -> Double {
        try exclusively {
            let first = try time(of: start)
            let last = try time(of: end)
            return Double(last) - Double(first)
        }
    }

    private func time(of event: DeviceEvent) throws -> UInt64 {
        guard case .recorded(let reading) = try events.find(event.id).state else {
            throw DeviceError.eventNotRecorded(id: event.id)
        }
        guard let time = reading.time else { throw DeviceError.eventNotComplete(id: event.id) }
        return time
    }

    /// See ``Device/synchronize(_:)``.
    public func synchronize(_ stream: DeviceStream) throws {
        try exclusively {
            let entry = try streams.find(stream.id)
            try refuseDuringCapture(to: "wait for the stream \(stream.id)")
            try settling([stream.id]) { try machine.synchronize(entry.stream) }
        }
    }

    /// See ``Device/synchronize()``.
    public func synchronize() throws {
        try exclusively {
            try refuseDuringCapture(to: "wait for the device")
            try settling(busyStreams) { try machine.synchronizeAll() }
        }
    }

    /// Runs the machine, after which `waitedFor` have no work left, and frees what it does not use any more.
    private func settling(_ waitedFor: Set<Int>, _ body: () throws -> Void) throws {
        do {
            try body()
        } catch {
            // The machine has stopped for good, so nothing uses memory any more.
            busyStreams = []
            throw error
        }
        busyStreams.subtract(waitedFor)
        try freeReleased()
    }
}
