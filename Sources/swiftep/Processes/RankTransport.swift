import ExpertKernels
import ExpertParallel

/// How ranks reach each other, as `--transport` says it.
enum RankTransport: String, CaseIterable {
    /// By loads and stores of kernels.
    case loadStore
    /// By a network adapter that itself loads and stores.
    case loopback
    /// By the simulator's network.
    case network

    static let option = Option<RankTransport>(
        "transport", allCases.map(\.rawValue).joined(separator: "|"),
        help:
            "How ranks reach each other. loadStore: kernels load from and store to each other's memory. loopback: all that "
            + "goes to another rank takes the way through a network adapter, which loads and stores in the end. network: "
            + "likewise, with an engine that acts later and in its own order; only the simulator has one. Default: loadStore.",
        expected: "loadStore, loopback or network"
    ) { RankTransport(rawValue: $0) }

    /// The network between ranks; nil where there is none.
    private var network: GroupNetwork? {
        switch self {
        case .loadStore: nil
        case .loopback: GroupNetwork(.loopback)
        case .network: GroupNetwork(.engine)
        }
    }

    /// The network that was asked for. Throws `UsageError` for what does not go with one.
    static func network(_ arguments: Arguments) throws(UsageError) -> GroupNetwork? {
        let found = (arguments[option] ?? .loadStore).network
        try NetworkOptions.check(arguments, found?.adapter)
        guard var network = found else { return nil }
        guard arguments[BenchOptions.link] == nil else {
            throw .conflict("--link models links of loads and stores; leave it out, or leave out --transport")
        }
        if let ranks = arguments[NetworkOptions.ranksPerNode] { network.ranksPerNode = ranks }
        network.queueDepth = arguments[NetworkOptions.queueDepth]
        return network
    }
}
