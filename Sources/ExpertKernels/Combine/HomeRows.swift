import KernelLanguage

/// Where a rank's rows came from, and go back to.
struct HomeRows {
    private let peers: Peers
    private let links: PacedLink?
    private let step: Value<UInt32>

    /// Declares the parameters, and reads what step it is.
    init(_ k: KernelBuilder, _ peers: Peers) {
        self.peers = peers
        step = StepCounter(k.pointerParameter("step", to: UInt32.self)).current(k)
        links = peers.window.link.map { model in
            PacedLink(model: model, busyUntil: k.pointerParameter("linkBusy", to: UInt64.self))
        }
    }

    /// Where one row goes.
    struct Destination {
        /// Whether the row has arrived in this step; after a failed wait it may not have.
        let exists: Condition
        let rank: Value<UInt32>
        /// `token * tokenRows + k`
        let choice: Value<UInt32>
        let window: Pointer<UInt32>
        let row: Pointer<BFloat16>
    }

    /// Where a row of a local expert goes.
    func destination(_ k: KernelBuilder, expert: Value<UInt32>, row: Value<UInt32>) -> Destination {
        let window = peers.window
        let place = expert.multiply(window.shape.maxRows, add: row)
        let own = peers.own(k).cast(to: UInt64.self)
        let rank = k.load(own + window.sourceInfo / 8 + place).halves.high
        let (choice, arrived) = k.load(own + window.arrivals / 8 + place).halves
        let target = peers.pointer(k, UInt32.self, owner: rank, offset: 0)
        let rows = (target + window.combineRows / 4).cast(to: BFloat16.self)
        return Destination(
            exists: arrived == step, rank: rank, choice: choice, window: target,
            row: rows + choice.multipliedWide(by: window.shape.hidden))
    }

    /// Tells the home rank that the row has been written.
    func announce(_ k: KernelBuilder, _ destination: Destination) {
        let window = peers.window
        if let links {
            k.if(destination.rank != peers.rank) {
                let time = PacedLink.nanoseconds(
                    links.model, bytes: window.combinedBytes, times: k.constant(UInt32(1)))
                let start = links.reserve(k, to: destination.rank, nanoseconds: time)
                let due = (destination.window + window.combineDue / 4).cast(to: UInt64.self) + destination.choice
                k.store(start + time + links.model.latencyNanoseconds, to: due)
            }
        }
        k.store(
            step, to: destination.window + window.combineArrivals / 4 + destination.choice, order: .release(.system))
    }
}
