import Accelerator
import ExpertKernels

/// How ranks reach each other that are not of one node, see `docs/network.md`.
public struct GroupNetwork: Hashable, Sendable, CustomStringConvertible {
    /// What carries rows, results and numbers.
    public var adapter: NetworkAdapter
    /// Ranks that follow one another and reach each other by loads and stores; with 1 the network is between any two.
    public var ranksPerNode: Int
    /// Operations that the engine holds on their way from one rank to another; who asks for more waits. nil where that
    /// is not known, and not checked. `docs/network.md` says how many a layer needs.
    public var queueDepth: Int?
    /// A modelled card of each rank, through which all goes that the loopback adapter brings; nil where that arrives as
    /// fast as it is written. Ranks must share a device, whose clock says when things arrive.
    public var model: NetworkModel?

    /// A network between nodes of this many ranks.
    public init(_ adapter: NetworkAdapter, ranksPerNode: Int = 1, queueDepth: Int? = nil, model: NetworkModel? = nil) {
        self.adapter = adapter
        self.ranksPerNode = ranksPerNode
        self.queueDepth = queueDepth
        self.model = model
    }

    /// Operations that a rank may ask for to another one that has died, and for which nothing happens any more, until
    /// it is masked or the step has failed: those of the step in which it died, and of the next one.
    ///
    /// A step sends a rank a row for each choice of an expert there, and home a result for each of that one's choices
    /// of an expert here; how many rows each expert gets; and a sign of life in each thirty-second of the time for
    /// which waits last. Counted are the signs of two waits, and that the rank is told that it is masked.
    ///
    /// - Parameter halves: Whether steps may be made in halves, which tell their numbers of rows each.
    package static func queueEntries(_ shape: LayerShape, halves: Bool) -> Int {
        let tokens = halves ? (shape.maxTokens + 1) / 2 * 2 : shape.maxTokens
        let rows = tokens * min(shape.topK, shape.localExperts)
        let counts = shape.rankExperts * (halves ? 2 : 1)
        return 2 * (2 * rows + counts) + 2 * signsOfLife + 1
    }

    /// Signs of life to a rank within a wait's limit, as `RankMasks.showLife` has them.
    private static let signsOfLife = 32

    /// Whether the network is the way between two ranks.
    public func isBetween(_ rank: Int, _ other: Int) -> Bool { rank / ranksPerNode != other / ranksPerNode }

    /// For people.
    public var description: String {
        adapter.rawValue + (ranksPerNode == 1 ? "" : " between nodes of \(ranksPerNode)")
            + (model.map { " with cards of \($0)" } ?? "")
    }
}
