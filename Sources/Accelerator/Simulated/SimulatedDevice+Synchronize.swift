import Simulator

extension SimulatedDevice {
    /// See ``Device/synchronize(_:)``.
    public func synchronize(_ stream: DeviceStream) throws {
        let own = try own(stream)
        try exclusively {
            try refuseDuringCapture(to: "wait for the stream \(stream.id)")
            try settling([own.stream]) { try machine.synchronize(own.stream) }
        }
    }

    /// See ``Device/synchronize()``.
    public func synchronize() throws {
        try exclusively {
            try refuseDuringCapture(to: "wait for the device")
            try settling(busyStreams) { try machine.synchronizeAll() }
        }
    }

    /// Runs the machine, after which `waitedFor` have no work left.
    private func settling(_ waitedFor: Set<StreamID>, _ body: () throws -> Void) throws {
        do {
            try body()
        } catch {
            // The machine has stopped for good, so nothing uses memory any more.
            retired.isOver = true
            busyStreams = []
            throw error
        }
        busyStreams.subtract(waitedFor)
    }
}
