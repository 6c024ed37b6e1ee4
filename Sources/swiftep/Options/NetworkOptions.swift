import ExpertKernels
import ExpertParallel
import Simulator

/// Further options of the network that `--transport` chooses.
enum NetworkOptions {
    static let ranksPerNode = Option<Int>.integer(
        "ranks-per-node", in: 1...LayerShape.mostRanks,
        help:
            "Ranks of a node, with --transport loopback, network or nvshmem: consecutive ranks, which reach each other "
            + "by loads and stores. Default: 1, so that the network is the way to all others; with nvshmem on several "
            + "machines, the ranks of a machine.")

    static let order = Option<NetworkConfiguration.Order>.choice(
        "network-order",
        help:
            "With --transport network: what the simulator's network keeps in order. unordered: nothing. connected: "
            + "what one rank asks for to one other on one channel. Default: \(NetworkConfiguration().order.rawValue).")

    static let queueDepth = Option<Int>.integer(
        "queue-depth", in: 1...1_000_000,
        help:
            "With --transport network: operations that can be under way from one rank to another at once; who asks for "
            + "more waits. Refused if they are fewer than what is asked of a rank that dies, until it is given up. "
            + "Default: as many as are asked for.")

    static let link = Option<NetworkModel>(
        "network-link", "RATE,LATENCY,COST",
        help:
            "With --transport loopback: models a network card of each rank, such as 50GB/s,5us,0.2us. A card sends one message "
            + "after the other, each for COST or for as long as its bytes take at RATE, whichever is longer; and what "
            + "it sends counts as arrived LATENCY after that, which must be sooner than waits are given up. Default: none, all "
            + "arrives as fast as it is written.",
        expected:
            "a rate from 0.1GB/s to 10000GB/s, and a latency and the cost of a message in ns, us, ms or s up to 1s, such as "
            + "50GB/s,5us,0.2us"
    ) { text in
        let parts = text.split(separator: ",", omittingEmptySubsequences: false)
        guard parts.count == 3, let rate = BenchOptions.bytesPerSecond(parts[0]),
            let latency = BenchOptions.nanoseconds(parts[1]), let cost = BenchOptions.nanoseconds(parts[2])
        else { return nil }
        return try? NetworkModel(bytesPerSecond: rate, latencyNanoseconds: latency, messageNanoseconds: cost)
    }

    /// All options on how ranks reach each other, `RankTransport.option` among them.
    static let all: [any AnyOption] = [RankTransport.option, ranksPerNode, link, order, queueDepth]

    /// Throws `UsageError` for options of a network that was not chosen.
    static func check(_ arguments: Arguments, _ adapter: NetworkAdapter?) throws(UsageError) {
        let ofNetworks: [any AnyOption] = [ranksPerNode, link, order, queueDepth]
        if adapter == nil, let option = ofNetworks.first(where: arguments.has) {
            throw .conflict("--\(option.name) is of a network; choose one with --transport, or leave it out")
        }
        if adapter == .engine, arguments.has(link) {
            throw .conflict(
                "--\(link.name) models the time of what loads and stores bring, and an engine takes a time of its own; use "
                    + "--transport loopback, or leave it out")
        }
        let ofEngines: [any AnyOption] = [order, queueDepth]
        if adapter == .loopback, let option = ofEngines.first(where: arguments.has) {
            throw .conflict(
                "--\(option.name) is of an engine, and loopback loads and stores; use --transport network, or leave it "
                    + "out")
        }
    }

    /// The simulator's network.
    static func simulated(_ arguments: Arguments) -> NetworkConfiguration {
        var network = NetworkConfiguration()
        guard arguments[RankTransport.option] == .network else { return network }
        network.queueDepth = arguments[queueDepth] ?? .max
        if let order = arguments[order] { network.order = order }
        return network
    }
}
