import KernelLanguage

/// Parameters of the dispatch unpack, besides `MaskParameters`.
package struct DispatchUnpackParameters: KernelParameters {
    /// UInt32 `[rankExperts]`, written: rows of each of the rank's experts.
    package var counts: MemoryParameter<UInt32>
    /// UInt64 `[rankExperts, ranks]`, written: count in the low and first row in the high half.
    package var layoutRange: MemoryParameter<UInt64>
    /// Fault record and time limit of its waits.
    package var watchdog: WatchdogParameters
    /// The rank's window, its number and its step counter.
    package var arriving: ArrivingParameters

    /// Parameters as given.
    package init(
        counts: MemoryParameter<UInt32>, layoutRange: MemoryParameter<UInt64>, watchdog: WatchdogParameters,
        arriving: ArrivingParameters
    ) {
        self.counts = counts
        self.layoutRange = layoutRange
        self.watchdog = watchdog
        self.arriving = arriving
    }
}

/// The kernel that follows a dispatch unpack.
package enum UnpackFollower: String, CaseIterable, Sendable {
    /// Kernels that do not wait for rows themselves.
    case kernel
    /// A GEMM beside it, which waits for the rows of each tile: it starts once all blocks of the unpack have started.
    case arrivingGEMM
    /// Nothing: the step ends with it.
    case nothing

    fileprivate var name: String {
        switch self {
        case .kernel: ""
        case .arrivingGEMM: "_beside"
        case .nothing: "_end"
        }
    }
}

/// The dispatch's receive where ranks are masked: moves the tokens that land at a rank to where its GEMM reads them.
/// Without masks, senders write there themselves.
///
/// Thread block 0 settles how many rows each source sends to each expert; one that is masked sends none. Then all
/// blocks move rows, a warp one at a time: rows of lower sources come first. A row of a source that is masked before it
/// came is published as absent, so that nobody waits for it, and nobody sends it home.
///
/// Rows that a network brings land one by one, and are moved once all rows of the same source and expert have landed;
/// see `NetworkPeers`.
///
/// Takes `DispatchUnpackParameters` and `MaskParameters`, with a network `NetworkParameters` and, modelled,
/// `NetworkCardParameters`, and with totals `DispatchTotalsParameters`.
///
/// - Parameter totals: Whether it adds rows received and time waited, for row counts too, to the caller's memory.
package func dispatchUnpackKernel(
    _ window: RankWindow, before follower: UnpackFollower = .kernel, totals: Bool = false
) throws(VerificationError) -> Kernel {
    let shape = window.shape
    let warps = 16
    let name = "dispatch_unpack_\(window.format)_\(window.name)" + follower.name + (totals ? "_totals" : "")
    return try KernelBuilder.build(name, threads: warps * Hopper.warpThreads) { k in
        let parameters = k.parameters(DispatchUnpackParameters.self)
        let watchdog = Watchdog(parameters.watchdog, .dispatchReceive, masks: RankMasks(k, window))
        let totals = totals ? DispatchTotals(k, shape) : nil
        let ends = ExpertEnds(k, experts: shape.rankExperts)
        k.waitForPrerequisites()
        // The GEMM that this starts may rely on the send having ended.
        if follower == .arrivingGEMM { k.launchDependents() }
        let unpack = DispatchUnpack(
            k, parameters.arriving, window, counts: parameters.counts, layoutRange: parameters.layoutRange, watchdog,
            totals)
        k.if(k.blockIndex == 0) {
            k.span(.wait, where: k.isFirstThread, (k.blockIndex, k.blockIndex)) { unpack.settleCounts(k, warps: warps) }
        }
        k.if(k.warpIndex == warps - 1) { ends.initialise(k) { unpack.count(k, expert: $0) } }
        k.syncThreads()
        // Neighbouring rows go to different multiprocessors.
        let worker = k.warpIndex * k.gridSize + k.blockIndex
        k.for(from: worker, to: ends.total(k), by: k.gridSize * warps) { number in
            let (expert, begin) = ends.find(k, number)
            unpack.move(k, expert: expert, row: number - begin)
        }
        // All threads have read the step's number before the barrier.
        if follower == .nothing { k.if(k.isFirstThread) { unpack.step.finishBlock(k) } }
    }
}

/// The parts of a dispatch unpack.
private struct DispatchUnpack {
    let window: RankWindow
    let rank: Value<UInt32>
    let own: Pointer<UInt32>
    let step: StepCounter
    let watchdog: Watchdog
    private let counts: Pointer<UInt32>
    private let layoutRange: Pointer<UInt64>
    private let published: RowCounts
    private let agreed: AgreedCounts
    private let landing: LandingRows
    private let notes: ArrivalNotes?
    private let totals: DispatchTotals?
    private let network: NetworkPeers?

    private var shape: LayerShape { window.shape }

    /// Reads the number of the step.
    init(
        _ k: KernelBuilder, _ arriving: KernelParameterValues<ArrivingParameters>, _ window: RankWindow,
        counts: Pointer<UInt32>, layoutRange: Pointer<UInt64>, _ watchdog: Watchdog, _ totals: DispatchTotals?
    ) {
        self.window = window
        self.totals = totals
        self.watchdog = watchdog
        self.counts = counts
        self.layoutRange = layoutRange
        rank = arriving.rank
        own = arriving.window
        step = StepCounter(arriving.step)
        let current = step.current(k)
        published = RowCounts(window: window, step: current)
        agreed = AgreedCounts(window: window, own: own, step: current)
        landing = LandingRows(window: window, step: current)
        notes = ArrivalNotes(window, own: own)
        network = watchdog.masks?.network
    }

    private var isTimed: Bool { notes != nil || totals != nil }

    private func number(of local: Value<UInt32>) -> Value<UInt32> {
        ExpertNumbers(shape: shape).number(rank: rank, local: local)
    }

    // MARK: Counts

    /// Waits for all sources' row counts or masks the sources, and stores and publishes the result: a warp for each
    /// local expert and a lane for each source. One block calls it.
    func settleCounts(_ k: KernelBuilder, warps: Int) {
        k.for(from: k.warpIndex, to: shape.rankExperts, by: warps) { local in
            let before = k.variable(UInt32(0))
            k.lanesOverRanks(shape.ranks) { source in
                let count = k.variable(UInt32(0))
                k.if(source() < shape.ranks) {
                    let (wait, rows) = published.await(
                        k, own, watchdog, over: network, source: source(), expert: number(of: local), timed: isTimed)
                    count.value = expect(k, rows, of: source(), expert: local)
                    notes?.note(k, .counts, source: source(), nanoseconds: wait.nanoseconds)
                    totals?.waits.add(k, source: source(), nanoseconds: wait.nanoseconds)
                }
                let end = before.value + k.warpPrefix(count.value)
                k.if(source() < shape.ranks) {
                    k.store(
                        k.packUInt64(low: count.value, high: end - count.value),
                        to: layoutRange + local.multiply(shape.ranks, add: source()))
                }
                before.value = k.shuffle(end, from: Hopper.warpThreads - 1)
            }
            k.syncWarp()  // the first lane publishes what all have stored
            k.if(k.isFirstLane) {
                k.store(before.value, to: counts + local)
                notes?.note(k, rows: before.value, expert: local)
                totals?.add(k, rows: before.value, expert: local)
                agreed.publish(k, expert: local, rows: before.value)
            }
        }
    }

    /// Waits for the row count of a local expert.
    func count(_ k: KernelBuilder, expert local: Value<UInt32>) -> Value<UInt32> {
        agreed.await(k, watchdog, expert: local, number: number(of: local))
    }

    /// Adds rows of the step to the value that the counter of a networked source has to reach. The agreed count of the
    /// expert is published after it, so whoever has that may rely on this as well.
    ///
    /// - Returns: How many rows to wait for. None of a masked source: rows that it sent in the step in which it was
    ///   masked are in the counter, and were perhaps not expected.
    private func expect(
        _ k: KernelBuilder, _ rows: Value<UInt32>, of source: Value<UInt32>, expert: Value<UInt32>
    ) -> Value<UInt32> {
        guard let network, let masks = watchdog.masks else { return rows }
        let expected = k.variable(rows)
        k.if(network.reaches(k, source)) {
            k.if(masks.hasMasked(k, source)) { expected.value = k.constant(UInt32(0)) }
            let word = network.expectedRows(source: source, local: expert)
            k.store(k.load(word) + expected.value.wide, to: word)
        }
        return expected.value
    }

    // MARK: Rows

    /// Moves one row to its place when it has landed, and publishes it, or publishes that it will not come. A warp
    /// calls it.
    func move(_ k: KernelBuilder, expert: Value<UInt32>, row: Value<UInt32>) {
        let place = expert.multiply(shape.maxRows, add: row)
        let (source, first) = source(k, expert: expert, row: row)
        let choice = k.variable(RankWindow.absentRow)
        k.if(k.isFirstLane) {
            k.span(.wait, (expert, row)) {
                choice.value = awaitLanding(k, source: source, expert: expert, number: row - first, row: row)
            }
        }
        k.syncWarp()  // all lanes rely on what the first has seen
        let seen = k.shuffle(choice.value, from: 0)
        let packets = network.map { NetworkArrival(k, $0, landing, own: own, source: source) }
        let known = packets?.choice(k, seen, expert: expert, number: row - first) ?? seen
        k.if(known != Int(RankWindow.absentRow)) {
            k.span(.work, where: k.isFirstLane, (expert, row)) {
                let token = known / shape.tokenRows
                let landed = window.landing.pointer(in: own) + landing.packet(source: source, token: token)
                let packet = packets?.packet(expert: expert, number: row - first, or: landed) ?? landed
                copyRow(k, packet, to: window.rows.pointer(in: own) + place.multipliedWide(by: window.rowBytes / 4))
                if window.format == .float8 { copyScales(k, packet, expert: expert, row: row) }
                k.syncWarp()  // the first lane publishes what all have stored
            }
        }
        k.if(k.isFirstLane) {
            let token = (known == Int(RankWindow.absentRow)).select(known, known / shape.tokenRows)
            k.store(k.packUInt64(low: token, high: source), to: window.sourceInfo.pointer(in: own) + place)
            k.store(
                k.packUInt64(low: known, high: landing.step), to: window.arrivals.pointer(in: own) + place,
                order: .release(.gpu))
        }
    }

    /// The source of a row, and the first row of that source. Each lane looks at some of the sources.
    private func source(
        _ k: KernelBuilder, expert: Value<UInt32>, row: Value<UInt32>
    ) -> (source: Value<UInt32>, first: Value<UInt32>) {
        let found = k.variable(UInt32(0))
        let first = k.variable(UInt32(0))
        k.lanesOverRanks(shape.ranks) { source in
            k.if(source() < shape.ranks) {
                let (count, begin) = k.load(layoutRange + expert.multiply(shape.ranks, add: source())).halves
                // The row is this source's: not before its first row, and before its end.
                k.if(begin <= row && row < begin + count) {
                    found.value = source()
                    first.value = begin
                }
            }
        }
        // One lane has found it; all others add 0.
        return (k.warpSum(found.value), k.warpSum(first.value))
    }

    /// Waits for a row to land. One lane calls it.
    ///
    /// - Returns: `token * tokenRows + k`, or `absentRow` for one that will not come.
    private func awaitLanding(
        _ k: KernelBuilder, source: Value<UInt32>, expert: Value<UInt32>, number: Value<UInt32>, row: Value<UInt32>
    ) -> Value<UInt32> {
        let choice = k.variable(RankWindow.absentRow)
        let awaitEntry = {
            self.awaitEntry(k, source: source, expert: expert, number: number, row: row, into: choice)
        }
        guard let network else {
            awaitEntry()
            return choice.value
        }
        k.if(network.reaches(k, source)) {
            awaitAll(k, network, source: source, expert: expert, row: row, into: choice)
        } else: {
            awaitEntry()
        }
        return choice.value
    }

    /// Waits until all rows of a source for an expert have landed by the network: the counter does not tell single rows
    /// apart. Sets the choice to 0 then; the row's own stands in its packet.
    private func awaitAll(
        _ k: KernelBuilder, _ network: NetworkPeers, source: Value<UInt32>, expert: Value<UInt32>, row: Value<UInt32>,
        into choice: Variable<UInt32>
    ) {
        let counter = window.landedRows.pointer(in: own) + source.multiply(shape.rankExperts, add: expert)
        let expected = k.load(network.expectedRows(source: source, local: expert))
        let subject = Watchdog.Subject(kind: .row, expert: expert, place: row, expected: expected)
        let wait = watchdog.wait(k, for: subject, from: source, timed: isTimed) {
            let landed = k.load(counter, order: .acquire(.system))
            k.if(landed >= expected) { choice.value = k.constant(UInt32(0)) }
            return .init(landed >= expected, seen: landed)
        }
        let arrival = network.awaitArrival(
            k, watchdog, after: wait, for: subject, .rows, at: counter, from: source, timed: isTimed)
        if let arrival { k.if(!arrival.arrived) { choice.value = k.constant(RankWindow.absentRow) } }
        note(k, arrival ?? wait, source)
    }

    private func note(_ k: KernelBuilder, _ wait: Watchdog.Wait, _ source: Value<UInt32>) {
        notes?.note(k, .rows, source: source, nanoseconds: wait.nanoseconds)
        totals?.waits.add(k, source: source, nanoseconds: wait.nanoseconds)
    }

    /// Waits for a row's entry.
    private func awaitEntry(
        _ k: KernelBuilder, source: Value<UInt32>, expert: Value<UInt32>, number: Value<UInt32>, row: Value<UInt32>,
        into choice: Variable<UInt32>
    ) {
        let entry =
            window.landingArrivals.pointer(in: own) + landing.entry(source: source, local: expert, number: number)
        let subject = Watchdog.Subject(kind: .row, expert: expert, place: row, expected: landing.step.wide)
        let wait = watchdog.wait(k, for: subject, from: source, timed: isTimed) {
            let (low, high) = k.load(entry, order: .acquire(.system)).halves
            k.if(high == landing.step) { choice.value = low }
            return .init(high == landing.step, seen: high.wide)
        }
        note(k, wait, source)
    }

    /// Copies a packet's row, 16 bytes a lane at a time.
    private func copyRow(_ k: KernelBuilder, _ packet: Pointer<UInt32>, to row: Pointer<UInt32>) {
        let vectors = window.rowBytes / 16
        let rounds = (vectors + Hopper.warpThreads - 1) / Hopper.warpThreads
        // Keeps up to eight loads of each lane in flight.
        for first in stride(from: 0, to: rounds, by: 8) {
            let group = first..<min(first + 8, rounds)
            let words = group.map { round in
                let words = (0..<4).map { _ in k.variable(UInt32(0)) }
                inside(k, round, of: vectors) { place in
                    for (word, value) in zip(words, k.loadVector(packet + place, count: 4)) { word.value = value }
                }
                return words
            }
            for (round, words) in zip(group, words) {
                inside(k, round, of: vectors) { place in
                    // The GEMM finds it in the L2; see `GEMMConfiguration.keepsRows`.
                    k.storeVector(words.map(\.value), to: row + place, cache: .evictLast)
                }
            }
        }
    }

    /// Calls `body` with the first word of the lane's vector in a round, if there is one.
    private func inside(_ k: KernelBuilder, _ round: Int, of vectors: Int, _ body: (Value<UInt32>) -> Void) {
        let place = (k.lane << 2) + round * Hopper.warpThreads * 4
        if (round + 1) * Hopper.warpThreads <= vectors { return body(place) }
        k.if(place < vectors * 4) { body(place) }
    }

    private func copyScales(
        _ k: KernelBuilder, _ packet: Pointer<UInt32>, expert: Value<UInt32>, row: Value<UInt32>
    ) {
        let source = packet + landing.scales
        let target =
            window.scales.pointer(in: own)
            + ((expert * window.scaleWords).multipliedWide(by: shape.scaleRows) + row.wide)
        func copy<Word: Scalar>(as type: Word.Type) {
            k.for(from: k.lane, to: window.scaleWords, by: Hopper.warpThreads) { word in
                k.store(
                    k.load(source.cast(to: type) + word),
                    to: target.cast(to: type) + word.multipliedWide(by: shape.scaleRows))
            }
        }
        switch window.scaleFormat {
        case .float32, .powerOfTwo: copy(as: Float.self)
        case .exponents: copy(as: UInt32.self)
        }
    }
}
