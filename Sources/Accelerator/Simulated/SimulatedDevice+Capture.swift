import Simulator

/// A captured graph.
final class SimulatedGraph {
    let origin: Int
    let steps: [(stream: Int, step: SimulatedCapture.Step)]
    /// Streams of the machine for the work of streams that took part in the capture. They are the graph's own: a replay
    /// is ordered with the stream it is replayed on and with nothing else, as on a GPU.
    var forks: [Int: StreamID] = [:]
    /// Events of the machine for the events that the capture recorded.
    var events: [Int: EventID] = [:]
    /// The end of the last replay; replays of one graph follow one another.
    let end: EventID

    init(_ capture: SimulatedCapture, end: EventID) {
        self.end = end
        origin = capture.origin
        steps = capture.steps
    }
}

extension SimulatedDevice {
    /// The capture in which a stream takes part. Call under the lock.
    func activeCapture(of stream: Int) -> SimulatedCapture? {
        captures.isEmpty ? nil : captures.values.first { $0.contains(stream) }
    }

    /// See ``Device/capture(on:_:)``.
    public func capture(on stream: DeviceStream, _ body: () throws -> Void) throws -> DeviceGraph {
        let thread = currentThread()
        let capture = try exclusively {
            _ = try streams.find(stream.id)
            guard captures[thread] == nil, activeCapture(of: stream.id) == nil else {
                throw DeviceError.capture(.nested)
            }
            let capture = SimulatedCapture(origin: stream.id)
            captures[thread] = capture
            return capture
        }
        do {
            try body()
        } catch {
            _ = try exclusively { end(capture, thread) }
            throw error
        }
        return try exclusively {
            if let forgotten = end(capture, thread) { throw DeviceError.capture(.notJoined(stream: forgotten)) }
            return DeviceGraph(id: graphs.insert(SimulatedGraph(capture, end: machine.makeEvent())))
        }
    }

    private func end(_ capture: SimulatedCapture, _ thread: UInt) -> Int? {
        captures[thread] = nil
        return capture.end()
    }

    /// See ``Device/replay(_:on:)``.
    public func replay(_ graph: DeviceGraph, on stream: DeviceStream) throws {
        try exclusively {
            let found = try graphs.find(graph.id)
            let entry = try streams.find(stream.id)
            try refuseDuringCapture(to: "replay the graph \(graph.id)")
            guard activeCapture(of: stream.id) == nil else {
                throw DeviceError.capture(.operation("replay the graph \(graph.id) on a captured stream"))
            }
            busyStreams.insert(stream.id)
            try replay(found, on: entry.stream)
        }
    }

    private func replay(_ graph: SimulatedGraph, on stream: StreamID) throws {
        machine.enqueueWait(graph.end, on: stream)
        var launched: Set<Int> = []
        for (id, step) in graph.steps {
            let place = id == graph.origin ? stream : try fork(of: graph, for: id)
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

    private func fork(of graph: SimulatedGraph, for id: Int) throws -> StreamID {
        if let known = graph.forks[id] { return known }
        let entry = try streams.find(id)
        let fork = machine.makeStream(label: entry.label, rank: entry.rank)
        graph.forks[id] = fork
        return fork
    }
}
