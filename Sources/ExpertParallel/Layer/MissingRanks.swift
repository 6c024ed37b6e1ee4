/// Ranks that others of a group went on without in a step, where ranks are masked.
public struct MissingRanks: Hashable, Sendable {
    /// Ranks that took no part: no other has terms of their experts, and their own outputs are nothing to judge.
    public var absent: Set<Int>
    /// For a rank, others whose experts' terms its outputs lack besides.
    public var masked: [Int: Set<Int>]

    /// Ranks as given.
    public init(absent: Set<Int> = [], masked: [Int: Set<Int>] = [:]) {
        self.absent = absent
        self.masked = masked
    }

    /// All ranks took part, and none went on without another.
    public static let none = MissingRanks()

    /// Whether outputs of `rank` lack the terms of `other`'s experts.
    public func isMissing(_ other: Int, for rank: Int) -> Bool {
        absent.contains(other) || absent.contains(rank) || masked[rank]?.contains(other) ?? false
    }

    /// The outputs of ranks that took part; empty for the others.
    func present<Element>(_ outputs: [[Element]]) -> [[Element]] {
        outputs.enumerated().map { absent.contains($0) ? [] : $1 }
    }
}
