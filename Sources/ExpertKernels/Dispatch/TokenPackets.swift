import KernelLanguage

/// The rows of a thread block's token that go by the network, in shared memory; those in `TokenLandings` go by stores.
///
/// The token is staged once, and put once for each row: to a place of the row's own at the expert's rank, with one
/// added to the counter of this rank's rows for the expert.
struct TokenPackets {
    private let landing: LandingRows
    private let network: NetworkPeers
    /// UInt64 `[tokenRows]`: the window of the expert's rank as the adapter addresses it; 0 for a row that does not go
    /// by the network.
    private let windows: SharedPointer<UInt64>
    /// UInt32 `[tokenRows]`: the expert of each row, numbered as in `ExpertNumbers`.
    private let experts: SharedPointer<UInt32>

    private var shape: LayerShape { landing.window.shape }

    init(_ k: KernelBuilder, _ landing: LandingRows, _ network: NetworkPeers) {
        self.landing = landing
        self.network = network
        windows = k.shared(UInt64.self, count: landing.window.shape.tokenRows)
        experts = k.shared(UInt32.self, count: landing.window.shape.tokenRows)
    }

    /// Stores the destination of a row, and its expert in the packet's header. One lane calls it.
    ///
    /// - Parameters:
    ///   - expert: Numbered as in `ExpertNumbers`; 2³²-1 for none.
    ///   - goes: Whether there is an expert, at a rank that is not masked.
    func note(
        _ k: KernelBuilder, token: Value<UInt32>, row: Value<UInt32>, expert: Value<UInt32>, owner: Value<UInt32>,
        goes: Condition
    ) {
        k.store(goes.select(network.window(k, of: owner), k.constant(UInt64(0))), to: windows + row)
        k.store(expert, to: experts + row)
        let header = network.packet(landing.step, token: token) + landing.header
        k.if(row < shape.topK) { k.store(expert, to: header + 1 + row) }
        k.if(row == 0) { k.store(token, to: header) }
    }

    /// Where the token is staged, if a row of it goes by the network.
    func staging(_ k: KernelBuilder, token: Value<UInt32>) -> DispatchedToken.Destination {
        let packet = network.packet(landing.step, token: token)
        let exists = (0..<shape.topK).map { k.load(windows + $0) }.reduce(k.constant(UInt64(0))) { $0 | $1 }
        return DispatchedToken.Destination(exists: exists != 0, row: packet, scales: packet + landing.scales)
    }

    /// Puts the rows that go by the network. All warps of the block call it, behind a barrier.
    ///
    /// - Parameter entry: Index of a row's entry.
    func put(_ k: KernelBuilder, token: Value<UInt32>, warps: Int, entry: (Value<UInt32>) -> Value<UInt32>) {
        let packet = network.packet(landing.step, token: token)
        k.for(from: k.warpIndex, to: k.constant(UInt32(shape.topK)), by: warps) { row in
            let base = k.load(windows + row)
            k.if(base != 0) {
                let expert = k.load(experts + row)
                let numbers = ExpertNumbers(shape: shape)
                let counter = network.rank.multiply(shape.rankExperts, add: numbers.local(expert))
                network.put(
                    k, packet,
                    to: landing.window.networkLanding.pointer(at: base) + landing.networkPacket(entry(row)),
                    bytes: landing.window.networkPacketBytes, of: numbers.owner(expert),
                    counting: .rows, at: landing.window.landedRows.pointer(at: base) + counter)
            }
        }
    }
}
