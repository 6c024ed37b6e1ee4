/// The network between the ranks of a simulated machine, as network operations see it.
public struct NetworkConfiguration: Hashable, Sendable {
    /// The order in which operations become visible, beyond that of every network: a put's bytes before its own signal.
    public enum Order: String, CaseIterable, Hashable, Sendable {
        /// Nothing: as on EFA, or between queue pairs.
        case unordered
        /// Operations of one rank to one peer on one channel, in the order in which they were asked for: as on one
        /// reliably connected queue pair.
        case connected
    }

    /// The network's order.
    public var order: Order
    /// The order that a judge lets kernels rely on, if the network has it: none by default, so that kernels are right
    /// on every network.
    public var judgedOrder: Order
    /// Channels, 1 to `NetworkOperation.maximumChannels`.
    public var channels: Int
    /// Operations that can be under way from one rank to one peer on one channel, at least 1. A lane that issues more
    /// waits.
    public var queueDepth: Int

    /// A network that orders nothing, unless said otherwise.
    public init(
        order: Order = .unordered, judgedOrder: Order = .unordered, channels: Int = 8, queueDepth: Int = 64
    ) {
        self.order = order
        self.judgedOrder = judgedOrder
        self.channels = channels
        self.queueDepth = queueDepth
    }

    /// Whether a judge lets kernels rely on the order of a connection.
    var reliesOnOrder: Bool { order == .connected && judgedOrder == .connected }
}
