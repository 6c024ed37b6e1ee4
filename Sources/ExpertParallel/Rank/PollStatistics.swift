/// Statistics of combine sends' polls of signals.
public struct PollStatistics: Hashable, Sendable, Codable {
    /// Polls that found their row block not complete.
    public var notReady: Int
    /// Rows that were waited for.
    public var waits: Int

    /// Numbers as given.
    public init(notReady: Int, waits: Int) {
        self.notReady = notReady
        self.waits = waits
    }
}

extension ExpertRank {
    /// Reads the statistics of combine sends since the last call, and starts anew. Nothing of the rank may be running.
    public func takePollStatistics() throws -> PollStatistics {
        let buffer = records.statistics.buffer
        let words = try device.read(UInt64.self, count: 2, from: buffer)
        try device.write([UInt64](repeating: 0, count: 2), to: buffer)
        return PollStatistics(notReady: Int(words[0]), waits: Int(words[1]))
    }
}
