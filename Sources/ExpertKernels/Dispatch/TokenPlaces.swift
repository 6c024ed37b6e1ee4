import KernelLanguage

/// The places of the rows of a thread block's token, in shared memory: found by a warp for each row, used by all.
struct TokenPlaces {
    private let shape: LayerShape
    /// UInt64 `[tokenRows]`: address of the window of the expert's rank; 0 for a choice of nothing, or after a failed
    /// wait.
    private let windows: SharedPointer<UInt64>
    /// UInt32 `[tokenRows]`: number of the local expert on that rank.
    private let locals: SharedPointer<UInt32>
    /// UInt32 `[tokenRows]`: row of the expert.
    private let rows: SharedPointer<UInt32>
    /// UInt32 `[tokenRows]`: rows that the link to that rank carries before this one.
    private let positions: SharedPointer<UInt32>

    init(_ k: KernelBuilder, _ shape: LayerShape) {
        self.shape = shape
        windows = k.shared(UInt64.self, count: shape.tokenRows)
        locals = k.shared(UInt32.self, count: shape.tokenRows)
        rows = k.shared(UInt32.self, count: shape.tokenRows)
        positions = k.shared(UInt32.self, count: shape.tokenRows)
    }

    /// Finds the place of a row of the token. The warp calls it together.
    ///
    /// - Parameters:
    ///   - expert: Numbered as in `ExpertNumbers`; 2³²-1 for none.
    ///   - before: For each expert, rows of this rank before this one.
    ///   - total: For each expert, all rows of this rank; with a link only, for positions on it.
    func find(
        _ k: KernelBuilder, row: Value<UInt32>, expert: Value<UInt32>, _ counts: RowCounts, _ peers: Peers,
        _ watchdog: Watchdog, before: SharedPointer<UInt32>, total: SharedPointer<UInt32>?
    ) {
        let numbers = ExpertNumbers(shape: shape)
        let exists = expert < shape.ranks * shape.rankExperts
        let known = exists.select(expert, k.constant(UInt32(0)))
        let owner = numbers.owner(known)
        // A lane waits for each rank: lower ranks' rows come first, and the owner must have its memory free.
        let lower = k.variable(UInt32(0))
        let complete = k.variable(true)
        let goesRound = shape.ranks > Hopper.warpThreads
        k.lanesOverRanks(shape.ranks) { source in
            let isOther = source() < shape.ranks && source() != peers.rank
            k.if(exists && isOther && (source() < peers.rank || source() == owner)) {
                let (wait, rows) = counts.await(k, peers.own(k), watchdog, source: source(), expert: known)
                complete.value = goesRound ? complete.value && wait.arrived : wait.arrived
                k.if(source() < peers.rank) { lower.value = goesRound ? lower.value + rows : rows }
            }
        }
        let place = k.warpSum(lower.value) + k.load(before + known)
        let ready = exists && k.all(complete.value)
        let position = k.variable(UInt32(0))
        if let total {
            // The link carries a rank's rows expert by expert.
            k.for(from: numbers.number(rank: owner, local: k.lane), to: known, by: 32) {
                earlier in
                position.add(k.load(total + earlier))
            }
        }
        let carried = k.warpSum(position.value) + k.load(before + known)
        k.if(k.isFirstLane) {
            k.store(ready.select(k.load(peers.table + owner), k.constant(UInt64(0))), to: windows + row)
            k.store(numbers.local(known), to: locals + row)
            k.store(place, to: rows + row)
            k.store(carried, to: positions + row)
        }
    }

    /// The destination of a row's data.
    func destination(_ k: KernelBuilder, row number: Int, _ window: RankWindow) -> DispatchedToken.Destination {
        let base = k.load(windows + number)
        let (local, row) = (k.load(locals + number), k.load(rows + number))
        let place = local.multiply(shape.maxRows, add: row)
        return DispatchedToken.Destination(
            exists: base != 0,
            row: window.rows.pointer(at: base) + place.multipliedWide(by: window.rowBytes / 4),
            scales: window.scales.pointer(at: base)
                + ((local * window.scaleWords).multipliedWide(by: shape.scaleRows) + row.wide))
    }

    /// Publishes the row at the expert's rank, when all threads that met at the barrier before have written it.
    func publish(
        _ k: KernelBuilder, row: Value<UInt32>, token: Value<UInt32>, _ peers: Peers, step: Value<UInt32>
    ) {
        let window = peers.window
        let base = k.load(windows + row)
        k.if(base != 0) {
            let place = k.load(locals + row).multiply(shape.maxRows, add: k.load(rows + row))
            k.store(
                k.packUInt64(low: token, high: peers.rank), to: window.sourceInfo.pointer(at: base) + place)
            if window.link != nil {
                k.store(
                    k.load(positions + row), to: window.linkPositions.pointer(at: base) + place)
            }
            k.store(
                k.packUInt64(low: token.multiply(shape.tokenRows, add: row), high: step),
                to: window.arrivals.pointer(at: base) + place, order: .release(.system))
        }
    }
}
