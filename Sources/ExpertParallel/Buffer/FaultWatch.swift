import Accelerator
import ExpertKernels

/// Tells without waiting whether a kernel has given up a wait: fault records are copied to the host now and then, on a
/// stream of their own that no other work waits for.
final class FaultWatch {
    private let device: any Device
    private let records: [(device: DeviceBuffer, seen: HostMemory)]
    private let stream: DeviceStream
    private let clock = ContinuousClock()
    private var next: ContinuousClock.Instant

    /// Time between two copies.
    private static let interval = Duration.milliseconds(100)

    /// - Parameter records: Of `WaitFault.words` words for each of one or more waits.
    init(_ device: any Device, _ records: [DeviceBuffer]) throws {
        self.device = device
        self.records = try records.map { ($0, try device.makeHostMemory(bytes: $0.bytes)) }
        stream = try device.makeStream(label: "watch of \(records.map(\.label).joined(separator: ", "))")
        next = clock.now
    }

    /// Clears the copies after a reset, when none is in flight.
    func forget() { for record in records { record.seen.clear() } }

    /// Whether a completed copy shows a failure; enqueues another when the last is older than `interval`.
    func sees() throws -> Bool {
        for record in records {
            for word in stride(from: 0, to: record.device.bytes / 8, by: WaitFault.words) where record.seen[word] != 0 {
                return true
            }
        }
        let now = clock.now
        guard now >= next else { return false }
        next = now + Self.interval
        for record in records { try device.copy(from: record.device, offset: 0, to: record.seen, on: stream) }
        return false
    }
}
