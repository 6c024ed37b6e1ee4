/// A modelled network card of each rank, for ranks that share a device and so have no network between them: what the
/// loopback adapter brings counts as arrived only when such a card and the wires behind it would have delivered it.
///
/// A card takes messages one after the other, in the order in which they are issued, whichever rank they are for. Its
/// engine works on a message for a fixed time, and its wire carries the bytes while the engine works on the next one:
/// so each message keeps the card busy for the longer of the two, the gap of the LogGP model (Alexandrov et al., 1995).
/// Only outgoing messages are held up: the receiver's card takes all that comes.
public struct NetworkModel: Hashable, Sendable, CustomStringConvertible {
    /// Bytes that the card's wire takes in a second: 1e8 to 1e13.
    public let bytesPerSecond: Double
    /// Nanoseconds from the last byte's departure to the message's arrival: 0 to 1e9.
    public let latencyNanoseconds: Int
    /// Nanoseconds that the card's engine works on a message, whatever its size: 0 to 1e9.
    public let messageNanoseconds: Int

    /// A checked model.
    ///
    /// - Throws: `ShapeError` naming the first value out of range.
    public init(bytesPerSecond: Double, latencyNanoseconds: Int, messageNanoseconds: Int) throws(ShapeError) {
        // Rate and latency have a link's limits.
        let link = try LinkModel(bytesPerSecond: bytesPerSecond, latencyNanoseconds: latencyNanoseconds)
        guard (0...1_000_000_000).contains(messageNanoseconds) else {
            throw ShapeError(
                name: "network message cost in ns", value: messageNanoseconds, range: 0...1_000_000_000, step: 1)
        }
        self.bytesPerSecond = link.bytesPerSecond
        self.latencyNanoseconds = link.latencyNanoseconds
        self.messageNanoseconds = messageNanoseconds
    }

    private func wireNanoseconds(bytes: Int) -> Double { Double(bytes) / bytesPerSecond * 1e9 }

    /// Nanoseconds for which a message of `bytes` keeps the card busy.
    func gap(bytes: Int) -> Int { max(messageNanoseconds, Int(wireNanoseconds(bytes: bytes).rounded())) }

    /// Nanoseconds from when the card begins with a message of `bytes` to its arrival.
    func transit(bytes: Int) -> Int {
        messageNanoseconds + Int(wireNanoseconds(bytes: bytes).rounded()) + latencyNanoseconds
    }

    /// Microseconds from when an idle card is given a message of `bytes` to its arrival.
    public func microseconds(bytes: Int) -> Double { Double(transit(bytes: bytes)) / 1e3 }

    /// Microseconds from when an idle card is given messages to the arrival of the last one.
    ///
    /// - Parameters:
    ///   - messages: Number of messages.
    ///   - bytes: Bytes of each message.
    ///   - words: Number of messages of 8 bytes that go before them.
    public func microseconds(messages: Int, bytes: Int, words: Int = 0) -> Double {
        guard messages > 0 else { return words > 0 ? microseconds(messages: words, bytes: 8) : 0 }
        let before: Int = words * gap(bytes: 8) + (messages - 1) * gap(bytes: bytes)
        return Double(before + transit(bytes: bytes)) / 1e3
    }

    /// Such as "50.0 GB/s, 5.0 µs, 0.2 µs a message".
    public var description: String {
        "\(bytesPerSecond / 1e9) GB/s, \(Double(latencyNanoseconds) / 1e3) µs, "
            + "\(Double(messageNanoseconds) / 1e3) µs a message"
    }

    /// For kernel names.
    var name: String { "_card\(Int(bytesPerSecond / 1e6))_\(latencyNanoseconds)_\(messageNanoseconds)" }
}
