/// A wait that passed its deadline, as the kernel recorded it.
public struct WaitFault: Hashable, Sendable {
    /// The subject of a wait. Experts are named by their number in the layer; shared ones follow the routed ones.
    public enum Subject: Hashable, Sendable {
        /// The number of rows that rank `source` sends to an expert.
        case rowCount(expert: Int, source: Int)
        /// A dispatched row of an expert, number `row` of all that it receives, which rank `source` sends.
        case row(expert: Int, row: Int, source: Int)
        /// A row block of an expert, from the GEMM that runs beside the kernel or before it on the same rank.
        case block(expert: Int, block: Int)
        /// Partials of a tile of this row block, from another thread block of the same GEMM.
        case splitSums(expert: Int, block: Int)
        /// The row of an expert for a token of the waiting rank, which rank `source` sends home.
        case result(expert: Int, token: Int, source: Int)
        /// Rank `source` at a barrier of all ranks.
        case barrier(source: Int)
        /// The flush: the network has to read what was put to rank `peer` in the step before.
        case flush(peer: Int)
    }

    /// The rank that waited.
    public var rank: Int
    /// The kernel that waited.
    public var kernel: StepPhase
    /// The subject of the wait, and its source.
    public var subject: Subject
    /// The value that would have ended the wait.
    public var expected: UInt64
    /// The value last seen.
    public var seen: UInt64
    /// Device clock in nanoseconds when the wait was given up.
    public var time: UInt64

    /// UInt64 words of a fault record in device memory; word 0 is nonzero once a wait has failed.
    public static let words = 16

    /// Reads a record; nil when no wait has failed.
    ///
    /// - Parameters:
    ///   - record: `words` words, as kernels write them.
    ///   - rank: The rank whose kernel wrote the record.
    ///   - shape: The layer whose experts the record names; nil for a GEMM without ranks, whose experts keep their
    ///     numbers.
    public init?(record: [UInt64], rank: Int, shape: LayerShape? = nil) {
        guard record.count == Self.words, record[0] != 0, let kernel = StepPhase(rawValue: UInt32(record[1])),
            let kind = WaitKind(rawValue: record[2])
        else { return nil }
        let (number, place, source) = (Int(record[3]), Int(record[4]), Int(record[5]))
        func inLayer(rank: Int, local: Int) -> Int {
            guard let shape else { return local }
            return local < shape.sharedExperts
                ? shape.experts + local : rank * shape.localExperts + local - shape.sharedExperts
        }
        self.rank = rank
        self.kernel = kernel
        subject =
            switch kind {
            case .rowCount:
                .rowCount(
                    expert: shape.map {
                        inLayer(rank: number / $0.rankExperts, local: number % $0.rankExperts)
                    } ?? number,
                    source: source)
            case .row: .row(expert: inLayer(rank: rank, local: number), row: place, source: source)
            case .block: .block(expert: inLayer(rank: rank, local: number), block: place)
            case .splitSums: .splitSums(expert: inLayer(rank: rank, local: number), block: place)
            case .result: .result(expert: number, token: place, source: source)
            case .barrier: .barrier(source: source)
            case .flush: .flush(peer: source)
            }
        expected = record[6]
        seen = record[7]
        time = record[8]
    }

    /// The rank that the wait was for; the waiting rank itself where a kernel of its own was to deliver.
    public var source: Int {
        switch subject {
        case .rowCount(_, let source), .row(_, _, let source), .result(_, _, let source), .barrier(let source),
            .flush(let source):
            source
        case .block, .splitSums: rank
        }
    }
}

/// Kinds of `WaitFault.Subject`, and how their records number experts.
enum WaitKind: UInt64 {
    /// Expert as in `ExpertNumbers`.
    case rowCount = 1
    /// Local expert.
    case row
    /// Local expert.
    case block
    /// Local expert.
    case splitSums
    /// Expert of the layer.
    case result
    /// No expert.
    case barrier
    /// No expert.
    case flush
}

extension WaitFault: CustomStringConvertible {
    /// Who waited for what and from whom, and what was there instead.
    public var description: String {
        let what =
            switch subject {
            case .rowCount(let expert, let source):
                "for the number of rows that rank \(source) sends to expert \(expert)"
            case .row(let expert, let row, let source):
                "for row \(row) of expert \(expert) from rank \(source)"
            case .block(let expert, let block):
                "for row block \(block) of expert \(expert) from the GEMM before it"
            case .splitSums(let expert, let block):
                "for split sums of row block \(block) of expert \(expert)"
            case .result(let expert, let token, let source):
                "for the result of expert \(expert) for token \(token) from rank \(source)"
            case .barrier(let source):
                "at a barrier for rank \(source)"
            case .flush(let peer):
                "for the network to read what it put to rank \(peer) in the step before"
            }
        return "\(kernel.name) of rank \(rank) waited \(what): expected \(expected) and saw \(seen)"
    }
}
