import Accelerator

/// Measures work on all streams of a device.
struct DeviceClock {
    private let device: any Device
    /// A stream for the events alone; ranks' streams run beside each other, so that none of them has all the work.
    private let stream: DeviceStream
    private let start: DeviceEvent
    private let end: DeviceEvent

    init(_ device: any Device) throws {
        self.device = device
        stream = try device.makeStream(label: "clock")
        start = try device.makeEvent()
        end = try device.makeEvent()
    }

    /// Nanoseconds of the device between events before and after the work that `body` enqueues, on an idle device.
    func measure(_ body: () throws -> Void) throws -> Double {
        try device.synchronize()
        try device.record(start, on: stream)
        try device.synchronize(stream)
        try body()
        try device.synchronize()
        try device.record(end, on: stream)
        try device.synchronize(stream)
        return try device.nanoseconds(from: start, to: end)
    }
}
