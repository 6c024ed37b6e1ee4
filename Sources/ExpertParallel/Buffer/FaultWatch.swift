import Accelerator

/// Sees without waiting whether a kernel has given up a wait: copies of the fault record go to the host now and then, on
/// a stream of their own, which no other work waits for.
final class FaultWatch {
    private let device: any Device
    private let record: DeviceBuffer
    private let stream: DeviceStream
    private let seen: HostMemory
    private let clock = ContinuousClock()
    private var next: ContinuousClock.Instant

    /// How long a failure may go unseen.
    private static let interval = Duration.milliseconds(100)

    init(_ device: any Device, _ record: DeviceBuffer) throws {
        (self.device, self.record) = (device, record)
        stream = try device.makeStream(label: "watch of \(record.label)")
        seen = try device.makeHostMemory(bytes: 8)
        next = clock.now
    }

    /// After a reset, by which nothing is under way.
    func forget() { seen.clear() }

    /// Whether a copy that has come shows a failure; asks for another one where the last is old.
    func sees() throws -> Bool {
        if seen[0] != 0 { return true }
        let now = clock.now
        guard now >= next else { return false }
        next = now + Self.interval
        try device.copy(from: record, offset: 0, to: seen, on: stream)
        return false
    }
}
