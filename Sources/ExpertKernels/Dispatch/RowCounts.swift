import KernelLanguage

/// Row counts: how many rows each rank sends to each expert in a step. Each rank publishes its counts before it sends,
/// so a sender knows where its rows begin, and a receiver how many to expect.
///
/// They also say that a rank's memory is free for the step's rows: a rank publishes its counts only when all its
/// kernels of the step before have ended. Since no rank's send ends before it has the counts of all others, ranks are
/// never more than one step apart, and words of even and odd steps lie apart.
///
/// With masks, a rank publishes to another only that one's counts, and a sender waits for nobody; see `LandingRows`.
struct RowCounts {
    let window: RankWindow
    /// The step under way.
    let step: Value<UInt32>

    /// Index of the word of `source` and `expert`, numbered as in `ExpertNumbers`, in `RankWindow.rowCounts`.
    private func index(source: Value<UInt32>, expert: Value<UInt32>) -> Value<UInt32> {
        let shape = window.shape
        let row = (step & 1).multiply(shape.ranks, add: source)
        if window.masks { return row.multiply(shape.rankExperts, add: ExpertNumbers(shape: shape).local(expert)) }
        return row.multiply(shape.ranks * shape.rankExperts, add: expert)
    }

    /// Index of the word of `source` in `RankWindow.linkStarts`.
    func linkStart(source: Value<UInt32>) -> Value<UInt32> { (step & 1).multiply(window.shape.ranks, add: source) }

    /// Publishes to rank `owner` how many rows `peers.rank` sends to `expert`. This is ordered after earlier accesses
    /// of the calling thread, and after all that it has observed.
    func publish(
        _ k: KernelBuilder, _ peers: Peers, owner: Value<UInt32>, expert: Value<UInt32>, rows: Value<UInt32>
    ) {
        let words = peers.pointer(k, window.rowCounts, of: owner)
        k.store(
            k.packUInt64(low: rows, high: step), to: words + index(source: peers.rank, expert: expert),
            order: .release(.system))
    }

    /// The same where a network reaches `owner`.
    ///
    /// The word that is put to the same place two steps later must be ordered after this one. The owner provides that
    /// order: it reads this word in its step, and then publishes its own counts of the next step, which this rank reads
    /// before it begins the step after that.
    func put(
        _ k: KernelBuilder, _ network: NetworkPeers, owner: Value<UInt32>, expert: Value<UInt32>, rows: Value<UInt32>
    ) {
        let words = window.rowCounts.pointer(at: network.window(k, of: owner))
        network.put(
            k, rowCount: k.packUInt64(low: rows, high: step),
            to: words + index(source: network.rank, expert: expert), of: owner)
    }

    /// Waits until `source` has published its number of rows for `expert`; 0 when it does not in time. Lanes wait
    /// independently.
    func await(
        _ k: KernelBuilder, _ own: Pointer<UInt32>, _ watchdog: Watchdog, source: Value<UInt32>, expert: Value<UInt32>,
        timed: Bool = false
    ) -> (wait: Watchdog.Wait, rows: Value<UInt32>) {
        let word = window.rowCounts.pointer(in: own) + index(source: source, expert: expert)
        let rows = k.variable(UInt32(0))
        let wait = watchdog.wait(k, for: subject(k, expert), from: source, timed: timed) {
            let (low, high) = k.load(word, order: .acquire(.system)).halves
            k.if(high == step) { rows.value = low }
            return .init(high == step, seen: high.wide, source: { source })
        }
        return (wait, rows.value)
    }

    /// Ranks whose counts `total` reads at once where there are more than 32; else it reads all at once.
    private static let ranksAtOnce = 16

    /// Waits for the number of rows that all ranks send to `expert`; 0 when some rank does not publish its own in time.
    func total(
        _ k: KernelBuilder, _ own: Pointer<UInt32>, _ watchdog: Watchdog, expert: Value<UInt32>
    ) -> Value<UInt32> {
        let ranks = window.shape.ranks
        guard ranks > Hopper.warpThreads else {
            let (wait, rows) = total(k, own, watchdog, expert: expert, of: ranks) { k.constant(UInt32($0)) }
            return wait.arrived.select(rows, k.constant(UInt32(0)))
        }
        let sum = k.variable(UInt32(0))
        let complete = k.variable(true)
        func add(_ count: Int, from first: Value<UInt32>) {
            let (wait, rows) = total(k, own, watchdog, expert: expert, of: count) { first + $0 }
            sum.add(rows)
            complete.value = complete.value && wait.arrived
        }
        k.for(to: ranks / Self.ranksAtOnce) { add(Self.ranksAtOnce, from: $0 * Self.ranksAtOnce) }
        let left = ranks % Self.ranksAtOnce
        if left > 0 { add(left, from: k.constant(UInt32(ranks - left))) }
        return complete.value.select(sum.value, k.constant(UInt32(0)))
    }

    /// Waits for the number of rows that `count` ranks send to `expert`; valid only if the wait has `arrived`.
    ///
    /// - Parameter rank: The ranks, by index from 0 to `count - 1`.
    private func total(
        _ k: KernelBuilder, _ own: Pointer<UInt32>, _ watchdog: Watchdog, expert: Value<UInt32>, of count: Int,
        rank: @escaping (Int) -> Value<UInt32>
    ) -> (Watchdog.Wait, rows: Value<UInt32>) {
        let words = window.rowCounts.pointer(in: own)
        let total = k.variable(UInt32(0))
        // All words are read at once. With a link, what their ranks published before them is read next, and one fence
        // acquires it.
        let wait = watchdog.wait(k, for: subject(k, expert)) {
            let seen = (0..<count).map { source in
                k.load(words + index(source: rank(source), expert: expert), order: .relaxed(.system)).halves
            }
            let missing = seen.reduce(k.constant(UInt32(0))) { $0 | ($1.high ^ step) }
            total.value = seen.dropFirst().reduce(seen[0].low) { $0 + $1.low }
            // The first rank that has not published its number yet, and what it published last.
            func firstMissing(_ value: (Int) -> Value<UInt32>) -> Value<UInt32> {
                seen.indices.dropLast().reversed().reduce(value(seen.count - 1)) { later, source in
                    (seen[source].high == step).select(later, value(source))
                }
            }
            return .init(
                missing == 0, seen: firstMissing { seen[$0].high }.wide, source: { firstMissing { rank($0) } })
        }
        if window.link != nil { k.fence(scope: .system) }
        return (wait, total.value)
    }

    /// The rank that sends row `row` of `expert`, by what ranks have published in this step; the last one if none does.
    func source(
        _ k: KernelBuilder, _ own: Pointer<UInt32>, ofRow row: Value<UInt32>, expert: Value<UInt32>
    ) -> Value<UInt32> {
        let words = window.rowCounts.pointer(in: own)
        let end = k.variable(UInt32(0))
        let found = k.variable(UInt32(0))
        k.for(to: window.shape.ranks) { source in
            found.value = source
            let (rows, _) = k.load(words + index(source: source, expert: expert), order: .relaxed(.system)).halves
            end.add(rows)
            k.breakIf(row < end.value)
        }
        return found.value
    }

    /// Waits for the count of one rank, which a network may reach; with a modelled card, until it would have arrived.
    func await(
        _ k: KernelBuilder, _ own: Pointer<UInt32>, _ watchdog: Watchdog, over network: NetworkPeers?,
        source: Value<UInt32>, expert: Value<UInt32>, timed: Bool
    ) -> (wait: Watchdog.Wait, rows: Value<UInt32>) {
        let (wait, rows) = self.await(k, own, watchdog, source: source, expert: expert, timed: timed)
        guard let network, window.networkModel != nil else { return (wait, rows) }
        let word = window.rowCounts.pointer(in: own) + index(source: source, expert: expert)
        guard
            let arrival = network.awaitArrival(
                k, watchdog, after: wait, for: subject(k, expert), .rowCount, at: word, from: source, timed: timed)
        else { return (wait, rows) }
        return (arrival, arrival.arrived.select(rows, k.constant(UInt32(0))))
    }

    private func subject(_ k: KernelBuilder, _ expert: Value<UInt32>) -> Watchdog.Subject {
        Watchdog.Subject(kind: .rowCount, expert: expert, place: k.constant(UInt32(0)), expected: step.wide)
    }
}
