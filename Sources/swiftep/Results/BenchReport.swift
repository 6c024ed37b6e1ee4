import Accelerator

/// What a benchmark found: what holds for all of it, and entries.
protocol BenchReport: Encodable {
    associatedtype Header: Encodable
    associatedtype Entry: Encodable

    /// What was measured on.
    var machine: BenchMachine { get }
    /// What all entries have in common.
    var header: Header { get }
    var entries: [Entry] { get }
    /// For people.
    var text: String { get }
}

/// What was measured on.
struct BenchMachine: Encodable {
    /// Name of the device.
    let device: String
    /// Whether all times are simulated, and say nothing about a GPU.
    let simulated: Bool

    init(_ device: DeviceProperties) {
        self.device = device.name
        simulated = device.kind == .simulator
    }

    /// As reports begin.
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
