import Accelerator
import ExpertKernels

/// How ranks reach each other that are not of one node, see `docs/network.md`.
public struct GroupNetwork: Hashable, Sendable, CustomStringConvertible {
    /// What carries rows, results and numbers.
    public var adapter: NetworkAdapter
    /// Ranks that follow one another and reach each other by loads and stores; with 1 the network is between any two.
    public var ranksPerNode: Int

    /// A network between nodes of this many ranks.
    public init(_ adapter: NetworkAdapter, ranksPerNode: Int = 1) {
        self.adapter = adapter
        self.ranksPerNode = ranksPerNode
    }

    /// Whether the network is the way between two ranks.
    public func isBetween(_ rank: Int, _ other: Int) -> Bool { rank / ranksPerNode != other / ranksPerNode }

    /// For people.
    public var description: String { adapter.rawValue + (ranksPerNode == 1 ? "" : " between nodes of \(ranksPerNode)") }
}
