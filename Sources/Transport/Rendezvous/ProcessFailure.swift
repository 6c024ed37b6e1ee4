/// A process's own report of why it ends.
public struct ProcessFailure: Hashable, Sendable {
    /// The number of the process.
    public let process: Int
    /// The process that it waited for in vain; nil if it ends for another reason.
    public let waitedFor: Int?
    /// Its error as text.
    public let text: String

    /// A failure as given.
    public init(process: Int, waitedFor: Int?, text: String) {
        self.process = process
        self.waitedFor = waitedFor
        self.text = text
    }

    var encoded: [UInt8] {
        var bytes: [UInt8] = []
        bytes.append(UInt32(process))
        bytes.append(waitedFor.map { UInt32($0) } ?? .max)
        return bytes + Array(text.utf8)
    }

    init?(encoded bytes: [UInt8]) {
        guard bytes.count >= 8 else { return nil }
        process = Int(bytes.number(UInt32.self, at: 0))
        let other = bytes.number(UInt32.self, at: 4)
        waitedFor = other == .max ? nil : Int(other)
        text = String(decoding: bytes[8...], as: UTF8.self)
    }
}
