import Simulator

/// A captured graph.
final class SimulatedGraph: @unchecked Sendable {
    // Sendable: only touched under the lock of its device, and when there is no other reference.
    let origin: Int
    let steps: [(stream: Int, step: SimulatedCapture.Step)]
    private let streams: [Int: SimulatedStream]
    /// Streams of the machine for the work of streams that took part in the capture. They are the graph's own: a replay
    /// is ordered with the stream it is replayed on and with nothing else, as on a GPU.
    private var forks: [Int: StreamID] = [:]
    /// Events of the machine for the events that the capture recorded.
    var events: [Int: EventID] = [:]
    /// The end of the last replay; replays of one graph follow one another.
    let end: EventID

    init(_ capture: SimulatedCapture, end: EventID) {
        self.end = end
        origin = capture.origin
        steps = capture.steps
        streams = capture.streams
    }

    /// The graph's own stream for the work of stream `id`.
    func fork(for id: Int, on machine: SimulatedMachine) -> StreamID? {
        if let known = forks[id] { return known }
        guard let stream = streams[id] else { return nil }
        let fork = machine.makeStream(label: stream.label, rank: stream.rank)
        forks[id] = fork
        return fork
    }

    /// Objects that are freed with the graph.
    var handles: [SimulatedRelease] {
        forks.values.map(SimulatedRelease.fork) + events.values.map(SimulatedRelease.event) + [.event(end)]
    }
}

extension SimulatedDevice {
    /// The capture in which a stream takes part. Call under the lock.
    func activeCapture(of stream: SimulatedStream) -> SimulatedCapture? {
        captures.isEmpty ? nil : captures.values.first { $0.contains(stream) }
    }

    /// See ``Device/isCapturing(_:)``.
    public func isCapturing(_ stream: DeviceStream) throws -> Bool {
        let own = try own(stream)
        return try exclusively { activeCapture(of: own) != nil }
    }

    /// See ``Device/capture(on:_:)``.
    public func capture(on stream: DeviceStream, _ body: () throws -> Void) throws -> DeviceGraph {
        let own = try own(stream)
        guard !own.isLegacy else { throw DeviceError.capture(.legacyStream) }
        let thread = currentThread()
        let capture = try exclusively {
            guard captures[thread] == nil, activeCapture(of: own) == nil else {
                throw DeviceError.capture(.nested)
            }
            let capture = SimulatedCapture(origin: own)
            captures[thread] = capture
            return capture
        }
        do {
            try body()
        } catch {
            _ = try exclusively { end(capture, thread) }
            throw error
        }
        let graph = try exclusively {
            if let forgotten = end(capture, thread) { throw DeviceError.capture(.notJoined(stream: forgotten)) }
            return SimulatedGraph(capture, end: machine.makeEvent())
        }
        return DeviceGraph(.simulated(graph, self))
    }

    private func end(_ capture: SimulatedCapture, _ thread: UInt) -> Int? {
        captures[thread] = nil
        return capture.end()
    }

    /// See ``Device/replay(_:on:)``.
    public func replay(_ graph: DeviceGraph, on stream: DeviceStream) throws {
        guard let found = graph.backing.on(self) else { throw DeviceError.unknownHandle(kind: .graph, id: graph.id) }
        let own = try own(stream)
        try exclusively {
            try refuseDuringCapture(to: "replay the graph \(graph.id)")
            guard activeCapture(of: own) == nil else {
                throw DeviceError.capture(.operation("replay the graph \(graph.id) on a captured stream"))
            }
            busyStreams.insert(own.stream)
            try replay(found, on: own.stream)
        }
    }

    private func replay(_ graph: SimulatedGraph, on stream: StreamID) throws {
        machine.enqueueWait(graph.end, on: stream)
        var launched: Set<Int> = []
        for (id, step) in graph.steps {
            let place = id == graph.origin ? stream : graph.fork(for: id, on: machine) ?? stream
            switch step {
            case .operation(let operation):
                // The first launch of a stream has no kernel before it in the graph, on which it could depend.
                try run(operation, on: place, alone: launched.insert(id).inserted)
            case .record(let event):
                let own = graph.events[event] ?? machine.makeEvent()
                graph.events[event] = own
                machine.enqueueRecord(own, on: place)
            case .wait(let event):
                if let own = graph.events[event] { machine.enqueueWait(own, on: place) }
            }
        }
        machine.enqueueRecord(graph.end, on: stream)
    }
}
