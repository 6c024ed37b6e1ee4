import Accelerator
import ExpertKernels

/// How ranks of different nodes reach each other, see `docs/network.md`.
public struct GroupNetwork: Hashable, Sendable, CustomStringConvertible {
    /// The adapter that carries rows, results and row counts.
    public var adapter: NetworkAdapter
    /// Consecutive ranks that reach each other by loads and stores; with 1 the network is between any two.
    public var ranksPerNode: Int
    /// Operations that the engine can have in flight from one rank to another; a rank that issues more waits. nil where
    /// the number is not known, and not checked. `docs/network.md` says how many a layer needs.
    public var queueDepth: Int?
    /// A modelled card of each rank, which delays all that the loopback adapter delivers; nil where that arrives as
    /// fast as it is written. Ranks must share a device, whose clock says when things arrive.
    public var model: NetworkModel?

    /// A network between nodes of this many ranks.
    public init(_ adapter: NetworkAdapter, ranksPerNode: Int = 1, queueDepth: Int? = nil, model: NetworkModel? = nil) {
        self.adapter = adapter
        self.ranksPerNode = ranksPerNode
        self.queueDepth = queueDepth
        self.model = model
    }

    /// Operations that a rank may issue to a dead one, none of which completes, until that one is masked or the step
    /// has failed: those of the step in which it died, and of the next one.
    ///
    /// In a step a rank sends another one a row for each choice of an expert there, a result for each of that one's
    /// choices of an expert here, the row count of each expert, and a sign of life in each thirty-second of the wait
    /// limit. The sum has the signs of two waits, and the notice that the rank is masked.
    ///
    /// - Parameter halves: Whether steps may run in halves, each of which sends row counts of its own.
    package static func queueEntries(_ shape: LayerShape, halves: Bool) -> Int {
        let tokens = halves ? (shape.maxTokens + 1) / 2 * 2 : shape.maxTokens
        let rows = tokens * min(shape.topK, shape.localExperts)
        let counts = shape.rankExperts * (halves ? 2 : 1)
        return 2 * (2 * rows + counts) + 2 * signsOfLife + 1
    }

    /// Signs of life to a rank within a wait's limit, as `RankMasks.showLife` has them.
    private static let signsOfLife = 32

    /// Whether two ranks reach each other by the network.
    public func isBetween(_ rank: Int, _ other: Int) -> Bool { rank / ranksPerNode != other / ranksPerNode }

    /// The adapter, the nodes and the card, for messages.
    public var description: String {
        adapter.rawValue + (ranksPerNode == 1 ? "" : " between nodes of \(ranksPerNode)")
            + (model.map { " with cards of \($0)" } ?? "")
    }
}
