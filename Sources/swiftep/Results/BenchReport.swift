import Accelerator

/// The results of a benchmark: a header, and entries.
protocol BenchReport: Encodable {
    associatedtype Header: Encodable
    associatedtype Entry: Encodable

    /// The device that was measured.
    var machine: BenchMachine { get }
    /// Fields that all entries share.
    var header: Header { get }
    var entries: [Entry] { get }
    /// The report as text.
    var text: String { get }
}

/// The device that was measured.
struct BenchMachine: Encodable {
    /// Name of the device.
    let device: String
    /// Whether all times are simulated, and say nothing about a GPU.
    let simulated: Bool

    init(_ device: DeviceProperties) {
        self.device = device.name
        simulated = device.kind == .simulator
    }

    /// The clock, in the words with which reports begin.
    var clock: String { simulated ? "times are SIMULATED and say nothing about a GPU" : "times of device events" }
}

private enum EntriesKey: CodingKey { case entries }

extension BenchReport {
    /// One object: the fields of the machine and of the header, and `entries`.
    func encode(to encoder: any Encoder) throws {
        try machine.encode(to: encoder)
        try header.encode(to: encoder)
        var container = encoder.container(keyedBy: EntriesKey.self)
        try container.encode(entries, forKey: .entries)
    }
}
