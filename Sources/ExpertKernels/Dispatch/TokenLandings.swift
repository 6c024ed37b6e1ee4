import KernelLanguage

/// The landing of a thread block's token, in shared memory: found by a warp for each row, used by all. The counterpart
/// of `TokenPlaces` where ranks are masked.
struct TokenLandings {
    private let landing: LandingRows
    private let masks: RankMasks
    private let peers: Peers
    /// UInt64 `[tokenRows]`: address of the window of the expert's rank; 0 for a choice of nothing, or if that rank is
    /// masked.
    private let windows: SharedPointer<UInt64>
    /// UInt32 `[tokenRows]`: 1 if no earlier row of the token goes to the same rank; this row then brings the packet.
    private let brings: SharedPointer<UInt32>
    /// UInt32 `[tokenRows]`: index of the row's entry.
    private let entries: SharedPointer<UInt32>
    /// The rows that go by the network; nil without one.
    private let packets: TokenPackets?

    init(_ k: KernelBuilder, _ landing: LandingRows, _ peers: Peers, _ masks: RankMasks) {
        self.landing = landing
        self.peers = peers
        self.masks = masks
        let rows = landing.window.shape.tokenRows
        windows = k.shared(UInt64.self, count: rows)
        brings = k.shared(UInt32.self, count: rows)
        entries = k.shared(UInt32.self, count: rows)
        packets = masks.network.map { TokenPackets(k, landing, $0) }
    }

    /// Finds the landing of a row of the token. The warp calls it together.
    ///
    /// - Parameters:
    ///   - expert: Numbered as in `ExpertNumbers`; 2³²-1 for none.
    ///   - before: For each expert, rows of this rank before this one.
    func find(
        _ k: KernelBuilder, token: Value<UInt32>, row: Value<UInt32>, expert: Value<UInt32>, _ choices: Choices,
        before: SharedPointer<UInt32>
    ) {
        let shape = landing.window.shape
        let numbers = ExpertNumbers(shape: shape)
        let exists = expert < shape.ranks * shape.rankExperts
        let known = exists.select(expert, k.constant(UInt32(0)))
        let owner = numbers.owner(known)
        // Each lane looks at a choice before the row; shared experts, behind all choices, are this rank's.
        let isRepeated = k.variable(false)
        k.if(k.lane < row && k.lane < shape.topK) {
            let earlier = choices.expert(k, at: token.multiply(shape.topK, add: k.lane))
            k.if(earlier < shape.experts) { isRepeated.value = numbers.owner(numbers.routed(earlier)) == owner }
        }
        let isFirst = !(k.any(isRepeated.value) || row > shape.topK)
        k.if(k.isFirstLane) {
            let goes = k.variable(false)
            k.if(exists) { goes.value = !masks.hasMasked(k, owner) }
            let local = numbers.local(known)
            k.store(goes.value.select(k.load(peers.table + owner), k.constant(UInt64(0))), to: windows + row)
            k.store(isFirst.select(k.constant(UInt32(1)), k.constant(UInt32(0))), to: brings + row)
            k.store(
                landing.entry(source: peers.rank, local: local, number: k.load(before + known)), to: entries + row)
            packets?.note(k, token: token, row: row, expert: expert, owner: owner, goes: goes.value)
        }
    }

    /// The destination of the token's packet, if this row brings it.
    func destination(_ k: KernelBuilder, token: Value<UInt32>, row number: Int) -> DispatchedToken.Destination {
        let window = landing.window
        let base = k.load(windows + number)
        let packet = window.landing.pointer(at: base) + landing.packet(source: peers.rank, token: token)
        return DispatchedToken.Destination(
            exists: base != 0 && k.load(brings + number) != 0, row: packet,
            scales: packet + landing.scales)
    }

    /// Where the packet of the token is staged for rows that go by the network; nil without one.
    func staging(_ k: KernelBuilder, token: Value<UInt32>) -> DispatchedToken.Destination? {
        packets?.staging(k, token: token)
    }

    /// Puts rows by the network, a warp one at a time, when all threads that met at the barrier before have staged the
    /// packet. All warps call it.
    func put(_ k: KernelBuilder, token: Value<UInt32>, warps: Int) {
        packets?.put(k, token: token, warps: warps) { k.load(entries + $0) }
    }

    /// Publishes the row at the expert's rank, when all threads that met at the barrier before have written the packet.
    func publish(_ k: KernelBuilder, token: Value<UInt32>, row: Value<UInt32>) {
        let base = k.load(windows + row)
        k.if(base != 0) {
            k.store(
                k.packUInt64(low: token.multiply(landing.window.shape.tokenRows, add: row), high: landing.step),
                to: landing.window.landingArrivals.pointer(at: base) + k.load(entries + row), order: .release(.system))
        }
    }
}
