/// What the processes of a group know and others do not, so that a stranger that connects is dropped.
public struct RendezvousSecret: Hashable, Sendable {
    /// 1 to 256 characters that environment variables can hold.
    public let text: String

    /// A secret that somebody hands out; nil for an empty text, or one of more than 256 characters.
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

    /// Whether a text is the secret; takes as long for every text of its length.
    func matches(_ other: String) -> Bool {
        let (own, other) = (Array(text.utf8), Array(other.utf8))
        guard own.count == other.count else { return false }
        return zip(own, other).reduce(0) { $0 | ($1.0 ^ $1.1) } == 0
    }
}
