import Accelerator
import ExpertKernels

/// The results of the bandwidth measurement.
struct CeilingReport: BenchReport {
    /// Fields that all entries share.
    struct Header: Encodable {
        /// Thread blocks, one on each multiprocessor.
        let blocks: Int
    }

    /// One direction and size.
    struct Entry: Encodable {
        let direction: String
        let size: String
        /// Bytes of one launch, read or read and written.
        let bytes: Int
        let minimumMicroseconds: Double
        let medianMicroseconds: Double
        let maximumMicroseconds: Double
        /// At the median; both directions of a copy count.
        let terabytesPerSecond: Double
    }

    let machine: BenchMachine
    let header: Header
    private(set) var entries: [Entry] = []

    init(_ device: DeviceProperties) {
        machine = BenchMachine(device)
        header = Header(blocks: device.multiprocessors)
    }

    /// Adds the times of the launches of one kind.
    mutating func add(_ direction: StreamDirection, _ size: String, bytes: Int, nanoseconds: [Double]) {
        let middle = median(nanoseconds) ?? 0
        let moved = Double(bytes) * (direction == .copy ? 2 : 1)
        entries.append(
            Entry(
                direction: direction.rawValue, size: size, bytes: bytes,
                minimumMicroseconds: (nanoseconds.min() ?? 0) / 1e3, medianMicroseconds: middle / 1e3,
                maximumMicroseconds: (nanoseconds.max() ?? 0) / 1e3,
                terabytesPerSecond: middle > 0 ? moved / middle / 1e3 : 0))
    }

    /// A table.
    var text: String {
        var table = Table([
            ("", .left), ("size", .left), ("bytes", .right), ("min µs", .right), ("median µs", .right),
            ("max µs", .right), ("TB/s", .right),
        ])
        for entry in entries {
            table.add([
                entry.direction, entry.size, "\(entry.bytes)", fixed(entry.minimumMicroseconds, 1),
                fixed(entry.medianMicroseconds, 1), fixed(entry.maximumMicroseconds, 1),
                fixed(entry.terabytesPerSecond, 2),
            ])
        }
        return "\(machine.device), \(header.blocks) blocks; \(machine.clock)\n\n\(table)"
    }
}
