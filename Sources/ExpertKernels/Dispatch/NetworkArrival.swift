import KernelLanguage

/// The landing of a row that the network may have brought, and the header of its packet.
struct NetworkArrival {
    private let landing: LandingRows
    private let own: Pointer<UInt32>
    private let source: Value<UInt32>
    private let rank: Value<UInt32>
    private let comesByNetwork: Condition

    /// - Parameter own: The rank's own window.
    init(
        _ k: KernelBuilder, _ network: NetworkPeers, _ landing: LandingRows, own: Pointer<UInt32>, source: Value<UInt32>
    ) {
        (self.landing, self.own, self.source, rank) = (landing, own, source, network.rank)
        comesByNetwork = network.reaches(k, source)
    }

    private func packet(expert: Value<UInt32>, number: Value<UInt32>) -> Pointer<UInt32> {
        landing.window.networkLanding.pointer(in: own)
            + landing.networkPacket(landing.entry(source: source, local: expert, number: number))
    }

    /// The packet of a row: its own if the network brought it, else `landed`.
    ///
    /// - Parameters:
    ///   - expert: Local expert.
    ///   - number: Number of the row among the source's rows for that expert.
    func packet(expert: Value<UInt32>, number: Value<UInt32>, or landed: Pointer<UInt32>) -> Pointer<UInt32> {
        Pointer(bits: comesByNetwork.select(packet(expert: expert, number: number).bits, landed.bits))
    }

    /// `token * tokenRows + k` of a row. If the network brought it, k comes from its packet: exactly one choice of the
    /// token is this expert. A warp calls it together.
    ///
    /// - Parameter seen: Result of the wait for the row; `absentRow` if it will not come.
    func choice(
        _ k: KernelBuilder, _ seen: Value<UInt32>, expert: Value<UInt32>, number: Value<UInt32>
    ) -> Value<UInt32> {
        let shape = landing.window.shape
        let choice = k.variable(seen)
        k.if(comesByNetwork && seen != Int(RankWindow.absentRow)) {
            let header = packet(expert: expert, number: number) + landing.header
            let row = k.variable(UInt32(0))
            k.if(k.lane < shape.topK) {
                let chosen = k.load(header + 1 + k.lane)
                k.if(chosen == ExpertNumbers(shape: shape).number(rank: rank, local: expert)) { row.value = k.lane }
            }
            choice.value = k.load(header).multiply(shape.tokenRows, add: k.warpSum(row.value))
        }
        return choice.value
    }
}
