import KernelLanguage

/// The homes of a rank's rows: the ranks and places where their tokens came from, and where results go.
struct HomeRows {
    private let peers: Peers
    private let links: PacedLink?
    private let step: Value<UInt32>
    private let masks: RankMasks?
    private let repeats: Bool

    /// - Parameters:
    ///   - step: The step under way.
    ///   - repeats: See `CombineConfiguration.repeats`.
    init(_ peers: Peers, _ links: PacedLink?, step: Value<UInt32>, masks: RankMasks?, repeats: Bool = false) {
        self.repeats = repeats
        self.peers = peers
        self.links = links
        self.step = step
        self.masks = masks
    }

    /// Whether a row may not exist although no wait has failed.
    var mayBeAbsent: Bool { masks != nil }

    /// The home of one row.
    struct Destination {
        /// Whether the row has arrived in this step, and its home is not masked; after a failed wait it may not have.
        let exists: Condition
        let rank: Value<UInt32>
        /// Index in `RankWindow.combineRows`: `token * tokenRows + k`; with masks behind those of lower ranks.
        let choice: Value<UInt32>
        let window: Pointer<UInt32>
        let row: Pointer<BFloat16>
        /// With a network: whether it reaches `rank`; `row` and `window` are then addresses of its adapter.
        var isNetworked: Condition?
    }

    /// The ranks that a network reaches; nil where there are none.
    var network: NetworkPeers? { masks?.network }

    /// The home of a row of a local expert.
    func destination(_ k: KernelBuilder, expert: Value<UInt32>, row: Value<UInt32>) -> Destination {
        let window = peers.window
        let place = expert.multiply(window.shape.maxRows, add: row)
        let own = peers.own(k)
        let rank = k.load(window.sourceInfo.pointer(in: own) + place).halves.high
        let (choice, arrived) = k.load(window.arrivals.pointer(in: own) + place).halves
        let networked = network?.window(k, of: rank)
        let target =
            networked.map { address in
                Pointer<UInt32>(bits: (address != 0).select(address, k.load(peers.table + rank)))
            } ?? peers.window(k, of: rank)
        let rows = window.combineRows.pointer(in: target)
        guard let masks else {
            return Destination(
                exists: arrived == step, rank: rank, choice: choice, window: target,
                row: rows + choice.multipliedWide(by: window.shape.paddedHidden))
        }
        // At home, each sending rank has slots of its own.
        let slot = peers.rank.multiply(window.firstCombinedRow(from: 1), add: choice)
        let isPresent = choice != Int(RankWindow.absentRow)
        let isThere = repeats ? isPresent : arrived == step && isPresent
        return Destination(
            exists: isThere && !masks.hasMasked(k, rank), rank: rank, choice: slot, window: target,
            row: rows + slot.multipliedWide(by: window.shape.paddedHidden), isNetworked: networked.map { $0 != 0 })
    }

    /// The counter to which one is added when the network has brought a row home.
    func landed(_ destination: Destination) -> Pointer<UInt64> {
        peers.window.landedResults.pointer(in: destination.window) + destination.choice
    }

    /// Publishes the row at its home rank, when it has been written.
    func publish(_ k: KernelBuilder, _ destination: Destination) {
        let window = peers.window
        if let links {
            k.if(destination.rank != peers.rank) {
                let time = PacedLink.nanoseconds(
                    links.model, bytes: window.combinedBytes, times: k.constant(UInt32(1)))
                let start = links.reserve(k, to: destination.rank, nanoseconds: time)
                let due = window.combineDue.pointer(in: destination.window) + destination.choice
                k.store(start + time + links.model.latencyNanoseconds, to: due)
            }
        }
        k.store(
            step, to: window.combineArrivals.pointer(in: destination.window) + destination.choice,
            order: .release(.system))
    }
}
