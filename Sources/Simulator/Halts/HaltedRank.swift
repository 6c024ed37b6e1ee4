/// A rank that is halted, and what it had under way.
final class HaltedRank {
    let rank: Int
    /// When it goes on by the machine's clock; nil for never.
    var end: UInt64?
    /// Its warps that could run.
    var warps: [Warp] = []
    /// Its events to come, with what is left of their times.
    var events: [(action: TimedAction, remaining: UInt64)] = []
    /// With a judge: its asynchronous work.
    var work: [TimedAction] = []

    init(rank: Int, end: UInt64?) {
        self.rank = rank
        self.end = end
    }

    /// How many of its warps sleep.
    var sleepingWarps: Int { events.count { if case .wake = $0.action { !$0.action.isVoid } else { false } } }
}

/// The halts of a machine.
struct Halts {
    /// Those that have not begun, the next one last.
    private var coming: [RankHalt]
    /// Those under way, by rank.
    private(set) var ranks: [Int: HaltedRank] = [:]
    /// The count of instructions at which the next one begins; the greatest number if there is none.
    private(set) var nextStart = UInt64.max
    /// The time at which the next one ends; the greatest number if none does.
    private(set) var nextEnd = UInt64.max

    init(_ halts: [RankHalt]) {
        coming = halts.sorted { $0.afterInstructions > $1.afterInstructions }
        nextStart = coming.last?.afterInstructions ?? .max
    }

    /// A halt that begins now, if there is one. The rank is new if it was not halted already.
    mutating func begin(instructions: UInt64, clock: UInt64) -> (rank: HaltedRank, isNew: Bool)? {
        guard let halt = coming.last, halt.afterInstructions <= instructions else { return nil }
        coming.removeLast()
        nextStart = coming.last?.afterInstructions ?? .max
        let end = halt.nanoseconds.map { clock.addingReportingOverflow($0) }.map {
            $0.overflow ? .max : $0.partialValue
        }
        defer { findNextEnd() }
        if let known = ranks[halt.rank] {
            known.end = known.end.flatMap { old in end.map { max($0, old) } }
            return (known, false)
        }
        let rank = HaltedRank(rank: halt.rank, end: end)
        ranks[halt.rank] = rank
        return (rank, true)
    }

    /// A halt that is over now, if there is one.
    mutating func end(clock: UInt64) -> HaltedRank? {
        // By rank, so that the order does not depend on a hash.
        let over = ranks.values.filter { $0.end.map { $0 <= clock } ?? false }.min { $0.rank < $1.rank }
        guard let over else { return nil }
        ranks[over.rank] = nil
        findNextEnd()
        return over
    }

    /// The halt of one of a lane's ends, if there is one.
    func holding(_ lane: NetworkLane) -> HaltedRank? { ranks[lane.rank] ?? ranks[lane.peer] }

    private mutating func findNextEnd() { nextEnd = ranks.values.compactMap(\.end).min() ?? .max }
}
