/// A modelled link between two ranks, for ranks that share a device and so have no network between them: a row counts
/// as arrived only when such a link would have delivered it. Each ordered pair of ranks has one of its own.
public struct LinkModel: Hashable, Sendable, CustomStringConvertible {
    /// Bytes that the link takes in a second: 1e8 to 1e13.
    public let bytesPerSecond: Double
    /// Nanoseconds from the end of a row's transfer to its arrival: 0 to 1e9.
    public let latencyNanoseconds: Int

    /// A checked link.
    ///
    /// - Throws: `ShapeError` naming the first value out of range.
    public init(bytesPerSecond: Double, latencyNanoseconds: Int) throws(ShapeError) {
        guard (1e8...1e13).contains(bytesPerSecond) else {
            // NaN passes `max` and `min`, and has no Int.
            let value = bytesPerSecond.isNaN ? 0 : Int(min(max(bytesPerSecond / 1e6, 0), 1e12))
            throw ShapeError(name: "link bytes per microsecond", value: value, range: 100...10_000_000, step: 1)
        }
        guard (0...1_000_000_000).contains(latencyNanoseconds) else {
            throw ShapeError(name: "link latency in ns", value: latencyNanoseconds, range: 0...1_000_000_000, step: 1)
        }
        self.bytesPerSecond = bytesPerSecond
        self.latencyNanoseconds = latencyNanoseconds
    }

    /// Microseconds in which `bytes` cross, latency included.
    public func microseconds(bytes: Int) -> Double {
        Double(bytes) / bytesPerSecond * 1e6 + Double(latencyNanoseconds) / 1e3
    }

    /// Such as "50 GB/s, 5 µs".
    public var description: String { "\(bytesPerSecond / 1e9) GB/s, \(Double(latencyNanoseconds) / 1e3) µs" }

    /// Time that `bytes` take on the link, in units of 2⁻¹⁰ ns.
    func duration(bytes: Int) -> Int { Int((Double(bytes) / bytesPerSecond * 1e9 * 1024).rounded()) }

    /// For kernel names.
    var name: String { "_link\(Int(bytesPerSecond / 1e6))_\(latencyNanoseconds)" }
}
