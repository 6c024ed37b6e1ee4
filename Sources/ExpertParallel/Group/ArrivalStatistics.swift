import ExpertKernels

/// How long a rank waited for each other one, and how many rows its experts received, since the last reading.
public struct ArrivalStatistics: Hashable, Sendable {
    /// Waits for one rank that found nothing yet when they began.
    public struct Waits: Hashable, Sendable, Codable {
        /// Number of waits.
        public var count: Int
        /// Nanoseconds of all waits together, many of which run at the same time.
        public var nanoseconds: Int
        /// Nanoseconds of the longest: the other rank was at least that far behind.
        public var longestNanoseconds: Int

        /// Waits as given; none without arguments.
        public init(count: Int = 0, nanoseconds: Int = 0, longestNanoseconds: Int = 0) {
            self.count = count
            self.nanoseconds = nanoseconds
            self.longestNanoseconds = longestNanoseconds
        }

        /// Waits of several kernels or ranks as one.
        public static func + (a: Waits, b: Waits) -> Waits {
            Waits(
                count: a.count + b.count, nanoseconds: a.nanoseconds + b.nanoseconds,
                longestNanoseconds: max(a.longestNanoseconds, b.longestNanoseconds))
        }
    }

    private var waits: [ArrivalKind: [Waits]] = [:]
    /// Rows that each of the rank's experts received, shared ones first.
    public private(set) var rowsOfExperts: [Int]

    /// Waits for each rank, the rank itself included.
    public func waits(for kind: ArrivalKind) -> [Waits] { waits[kind] ?? [] }

    /// Decodes the kernels' `ArrivalNotes`.
    init(words: [UInt64], _ shape: LayerShape) {
        for kind in ArrivalKind.allCases {
            waits[kind] = (0..<shape.ranks).map { source in
                let first = (kind.rawValue * shape.ranks + source) * ArrivalNotes.wordsOfSource
                return Waits(
                    count: Int(words[first]), nanoseconds: Int(words[first + 1]),
                    longestNanoseconds: Int(words[first + 2]))
            }
        }
        rowsOfExperts = words[ArrivalNotes.rowsOfExpert(shape)...].map { Int($0) }
    }

    /// Adds the statistics of another half of the batch.
    mutating func add(_ other: ArrivalStatistics) {
        waits.merge(other.waits) { zip($0, $1).map { $0 + $1 } }
        rowsOfExperts = zip(rowsOfExperts, other.rowsOfExperts).map { $0 + $1 }
    }
}

extension ExpertRank {
    /// Reads the rank's statistics and starts them anew. Nothing of the rank may be running.
    ///
    /// A rank that is behind shows in the waits of the others: first for the number of its rows (`ArrivalKind.counts`).
    /// Steps of all modes count, and halves of a batch together.
    ///
    /// - Throws: `GroupError.noArrivalStatistics` if the configuration does not ask for them.
    public func takeArrivalStatistics() throws -> ArrivalStatistics {
        guard configuration.notesArrivals else { throw GroupError.noArrivalStatistics }
        var result = try whole.takeArrivalStatistics()
        for half in halves { result.add(try half.takeArrivalStatistics()) }
        return result
    }
}

extension TokenExchange {
    fileprivate func takeArrivalStatistics() throws -> ArrivalStatistics {
        let region = configuration.window.arrivalNotes
        let notes = window.part("arrivals", offset: region.offset, bytes: region.bytes)
        let words = try device.read(UInt64.self, count: region.count, from: notes)
        try device.write([UInt64](repeating: 0, count: region.count), to: notes)
        return ArrivalStatistics(words: words, configuration.shape)
    }
}

extension RankGroup {
    /// The statistics of all ranks; see ``ExpertRank/takeArrivalStatistics()``.
    ///
    /// - Throws: `GroupError.noArrivalStatistics` if the configuration does not ask for them; `DeviceError`.
    public func takeArrivalStatistics() throws -> [ArrivalStatistics] {
        try ranks.map { try $0.takeArrivalStatistics() }
    }
}
