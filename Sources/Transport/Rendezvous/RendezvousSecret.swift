/// A secret that the processes of a group share, so that unknown clients are dropped.
public struct RendezvousSecret: Hashable, Sendable {
    /// 1 to 256 bytes of text that environment variables can hold.
    public let text: String

    /// A secret from a text; nil for an empty one, or one of more than 256 bytes in UTF-8.
    public init?(_ text: String) {
        guard !text.isEmpty, text.utf8.count <= 256 else { return nil }
        self.text = text
    }

    /// A secret of 256 random bits.
    public init() {
        var source = SystemRandomNumberGenerator()
        text = (0..<4).map { _ in
            let digits = String(source.next(), radix: 16)
            return String(repeating: "0", count: 16 - digits.count) + digits
        }.joined()
    }

    /// Whether a text is the secret; takes the same time for every text of its length.
    func matches(_ other: String) -> Bool {
        let (own, other) = (Array(text.utf8), Array(other.utf8))
        guard own.count == other.count else { return false }
        return zip(own, other).reduce(0) { $0 | ($1.0 ^ $1.1) } == 0
    }
}
