import KernelLanguage

/// Parameters of the combine receive.
package struct CombineReceiveParameters: KernelParameters {
    /// The rank's window, its number and its step counter.
    package var home: ArrivingParameters
    /// UInt32: tokens of the step.
    package var tokenCount: MemoryParameter<UInt32>
    /// UInt64 `[maxTokens, topK]`: the chosen experts.
    package var experts: MemoryParameter<UInt64>
    /// Float32 `[maxTokens, topK]`: their weights.
    package var weights: MemoryParameter<Float>
    /// BF16 `[maxTokens, hidden]`: the sums; zero for tokens without experts.
    package var output: MemoryParameter<BFloat16>
    /// 1 if the rows are no longer needed once they have been added up, so that the L2 may drop their lines without
    /// writing them to memory; else 0.
    package var discards: ScalarParameter<UInt32>
    /// Fault record and time limit of its waits.
    package var watchdog: WatchdogParameters

    /// Parameters as given.
    package init(
        home: ArrivingParameters, tokenCount: MemoryParameter<UInt32>, experts: MemoryParameter<UInt64>,
        weights: MemoryParameter<Float>, output: MemoryParameter<BFloat16>, discards: Bool, watchdog: WatchdogParameters
    ) {
        self.home = home
        self.tokenCount = tokenCount
        self.experts = experts
        self.weights = weights
        self.output = output
        self.discards = ScalarParameter(discards ? 1 : 0)
        self.watchdog = watchdog
    }
}

/// Waits for the rows of each token's experts and adds them up, weighted, in the order of the token's choices, so that
/// the sum's bits do not depend on the order of arrival. Rows of shared experts come last, with a weight of 1 or the
/// token's shared weight. The last kernel of a step.
///
/// Takes `CombineReceiveParameters`, with masks `MaskParameters`, with a network `NetworkParameters` and, modelled,
/// `NetworkCardParameters`, with shared weights `SharedWeightsParameters`, and with totals `WaitTotalsParameters`.
///
/// - Parameters:
///   - sharedWeights: Whether each token has a weight for its shared experts; else it is 1.
///   - totals: Whether it adds the time waited for each rank to the caller's memory.
package func combineReceiveKernel(
    _ window: RankWindow, sharedWeights: Bool = false, totals: Bool = false
) throws(VerificationError) -> Kernel {
    let shape = window.shape
    // Eight channels to a thread.
    let threads = min(1024, max(128, (shape.paddedHidden / 8 + 31) / 32 * 32))
    let name =
        "combine_receive_\(window.tokenName)" + (sharedWeights ? "_shared_weights" : "") + (totals ? "_totals" : "")
    return try KernelBuilder.build(name, threads: threads) { k in
        let parameters = k.parameters(CombineReceiveParameters.self)
        let (own, rank, weights) = (parameters.home.window, parameters.home.rank, parameters.weights)
        let (output, discards) = (parameters.output, parameters.discards == 1)
        let choices = Choices(
            experts: parameters.experts, tokens: k.load(parameters.tokenCount).minimum(shape.maxTokens), shape: shape)
        let step = StepCounter(parameters.home.step)
        let current = step.current(k)
        let watchdog = Watchdog(parameters.watchdog, .combineReceive, masks: RankMasks(k, window))
        let shared = sharedWeights ? k.parameters(SharedWeightsParameters.self).sharedWeights : nil
        let waits = totals ? WaitTotals(k.parameters(WaitTotalsParameters.self)) : nil
        let rows = CombinedRows(window: window, own: own, rank: rank, step: current, waits: waits)

        let terms = TokenTerms(k, window)
        let failed = k.shared(UInt32.self, count: 1)
        k.if(k.isFirstThread) { k.store(0, to: failed) }
        k.syncThreads()

        k.for(from: k.blockIndex, to: choices.tokens, by: k.gridSize) { token in
            k.span(.wait, where: k.isFirstThread, (token, token)) {
                k.if(k.threadIndex < shape.tokenRows) {
                    let row = k.threadIndex
                    // A shared expert's row, unless it is that of a choice.
                    let expert = k.variable(row + (shape.experts - shape.topK))
                    let weight = k.variable(shared.map { k.load($0 + token) } ?? k.constant(Float(1)))
                    k.if(row < shape.topK) {
                        let choice = token.multiply(shape.topK, add: row)
                        expert.value = choices.expert(k, at: choice)
                        weight.value = k.load(weights + choice)
                    }
                    let exists = expert.value != Int(UInt32.max)
                    if let masks = watchdog.masks {
                        let term = rows.term(
                            k, watchdog, masks, token: token, row: row, expert: expert.value, exists: exists,
                            failed: failed)
                        terms.note(k, exists: term.exists, weight: weight.value, row: term.row)
                    } else {
                        terms.note(k, exists: exists, weight: weight.value)
                        k.if(exists) {
                            let place = token.multiply(shape.tokenRows, add: row)
                            let arrived = rows.await(k, watchdog, place: place, token: token, expert: expert.value)
                            k.if(!arrived) { k.store(1, to: failed, order: .relaxed(.block)) }
                        }
                    }
                }
                k.syncThreads()
            }
            let isComplete = k.load(failed) == 0
            k.if(isComplete) {
                k.for(
                    from: k.threadIndex * 8, to: shape.hidden, by: threads * 8
                ) { channel in
                    let sums = terms.sum(k, rows.row(token), channel)
                    let place = token.multipliedWide(by: shape.hidden) + channel.wide
                    let packed = (0..<4).map { k.packBFloat16(sums[2 * $0], sums[2 * $0 + 1]) }
                    k.storeVector(packed, to: (output + place).cast(to: UInt32.self))
                }
            }
            k.syncThreads()
            k.if(isComplete && discards) {
                if window.masks {
                    terms.discard(k, threads: threads)
                } else {
                    rows.discard(k, token, threads: threads)
                }
            }
            // The next token's terms are noted when those of this one have been read.
            if window.masks { k.syncThreads() }
        }
        // The step ends after the kernels before this one on the stream.
        k.waitForPrerequisites()
        k.if(k.isFirstThread) { step.finishBlock(k) }
    }
}

/// The rows that come home to a rank's tokens.
private struct CombinedRows {
    let window: RankWindow
    let own: Pointer<UInt32>
    let rank: Value<UInt32>
    let step: Value<UInt32>
    /// Totals of the time waited; nil for none.
    let waits: WaitTotals?

    /// Waits for the row at `place` to come home; false if the wait fails. Lanes wait independently.
    func await(
        _ k: KernelBuilder, _ watchdog: Watchdog, place: Value<UInt32>, token: Value<UInt32>, expert: Value<UInt32>
    ) -> Condition {
        let subject = Watchdog.Subject(kind: .result, expert: expert, place: token, expected: step.wide)
        if let network = watchdog.masks?.network {
            let arrived = k.variable(false)
            let owner = rank(computing: expert)
            k.if(network.reaches(k, owner)) {
                arrived.value = awaitCounted(
                    k, watchdog, network, place: place, token: token, expert: expert, owner: owner)
            } else: {
                arrived.value = awaitStored(k, watchdog, subject, place: place, expert: expert)
            }
            return arrived.value
        }
        return awaitStored(k, watchdog, subject, place: place, expert: expert)
    }

    /// Waits until the network has brought a row home once more than before. A row of a masked rank never counts as
    /// arrived: it may be the row of the step in which the rank was masked, which was not added up.
    private func awaitCounted(
        _ k: KernelBuilder, _ watchdog: Watchdog, _ network: NetworkPeers, place: Value<UInt32>, token: Value<UInt32>,
        expert: Value<UInt32>, owner: Value<UInt32>
    ) -> Condition {
        let before = network.expectedResults(place)
        let expected = k.load(before) + 1
        let subject = Watchdog.Subject(kind: .result, expert: expert, place: token, expected: expected)
        let word = window.landedResults.pointer(in: own) + place
        let notes = ArrivalNotes(window, own: own)
        let isTimed = notes != nil || waits != nil
        let count = watchdog.wait(k, for: subject, from: owner, timed: isTimed) {
            let seen = k.load(word, order: .acquire(.system))
            let isCounted = watchdog.masks.map { !$0.hasMasked(k, owner) } ?? k.constant(true)
            return .init(isCounted && seen >= expected, seen: seen)
        }
        let arrival = network.awaitArrival(
            k, watchdog, after: count, for: subject, .result, at: word, from: owner, timed: isTimed)
        let wait = arrival ?? count
        k.if(wait.arrived) { k.store(expected, to: before) }
        notes?.note(k, .results, source: owner, nanoseconds: wait.nanoseconds)
        waits?.add(k, source: owner, nanoseconds: wait.nanoseconds)
        return wait.arrived
    }

    /// Waits until a row has been stored and, with a modelled link, has crossed it.
    private func awaitStored(
        _ k: KernelBuilder, _ watchdog: Watchdog, _ subject: Watchdog.Subject, place: Value<UInt32>,
        expert: Value<UInt32>
    ) -> Condition {
        let word = window.combineArrivals.pointer(in: own) + place
        let notes = ArrivalNotes(window, own: own)
        let isTimed = notes != nil || waits != nil
        let wait = watchdog.wait(
            k, for: subject, from: watchdog.masks == nil ? nil : rank(computing: expert), timed: isTimed
        ) {
            let seen = k.load(word, order: .acquire(.system))
            return .init(seen == step, seen: seen.wide, source: { rank(computing: expert) })
        }
        guard window.link != nil || isTimed else { return wait.arrived }
        let owner = rank(computing: expert)
        let arrived = k.variable(wait.arrived)
        let waited = wait.nanoseconds.map { k.variable($0) }
        if window.link != nil {
            k.if(wait.arrived && owner != rank) {
                let due = k.load(window.combineDue.pointer(in: own) + place)
                let delivery = watchdog.wait(k, for: subject, until: due, source: owner, timed: isTimed)
                arrived.value = delivery.arrived
                if let time = delivery.nanoseconds { waited?.add(time) }
            }
        }
        notes?.note(k, .results, source: owner, nanoseconds: waited?.value)
        waits?.add(k, source: owner, nanoseconds: waited?.value)
        return arrived.value
    }

    /// Waits for a term of a token's sum where ranks are masked. The term of a rank that is masked before it has come
    /// is left out.
    func term(
        _ k: KernelBuilder, _ watchdog: Watchdog, _ masks: RankMasks, token: Value<UInt32>, row: Value<UInt32>,
        expert: Value<UInt32>, exists: Condition, failed: SharedPointer<UInt32>
    ) -> (exists: Condition, row: Pointer<BFloat16>) {
        let owner = rank(computing: expert)
        let known = exists.select(owner, rank)
        let place = known.multiply(
            window.firstCombinedRow(from: 1), add: token.multiply(window.shape.tokenRows, add: row))
        let isThere = k.variable(exists)
        k.if(exists) {
            isThere.value = self.await(k, watchdog, place: place, token: token, expert: expert)
            k.if(!isThere.value && !masks.hasMasked(k, owner)) { k.store(1, to: failed, order: .relaxed(.block)) }
        }
        return (
            isThere.value, window.combineRows.pointer(in: own) + place.multipliedWide(by: window.shape.paddedHidden)
        )
    }

    /// The rank that computes an expert; this one for its shared experts.
    private func rank(computing expert: Value<UInt32>) -> Value<UInt32> {
        (expert < window.shape.experts).select(expert / window.shape.localExperts, rank)
    }

    /// The rows of a token, BF16 `[tokenRows, paddedHidden]`.
    func row(_ token: Value<UInt32>) -> Pointer<BFloat16> {
        window.combineRows.pointer(in: own)
            + token.multipliedWide(by: window.shape.tokenRows * window.shape.paddedHidden)
    }

    /// Discards the rows of a token. All threads call it, when all have loaded.
    func discard(_ k: KernelBuilder, _ token: Value<UInt32>, threads: Int) {
        let channels = Op.discardedBytes / 2
        let lines = window.shape.tokenRows * window.shape.paddedHidden / channels
        k.for(from: k.threadIndex, to: lines, by: threads) { line in
            k.discard(row(token) + line * channels)
        }
    }
}

/// Terms of a token's sum, in shared memory: which rows there are, and their weights.
private struct TokenTerms {
    private let shape: LayerShape
    private let exists: SharedPointer<UInt32>
    private let weights: SharedPointer<Float>
    /// With masks: UInt64 `[tokenRows]`, addresses of the rows.
    private let rows: SharedPointer<UInt64>?

    init(_ k: KernelBuilder, _ window: RankWindow) {
        shape = window.shape
        exists = k.shared(UInt32.self, count: shape.tokenRows)
        weights = k.shared(Float.self, count: shape.tokenRows)
        rows = window.masks ? k.shared(UInt64.self, count: shape.tokenRows) : nil
    }

    /// Stores the term of a row; thread `r` calls it for row `r`.
    ///
    /// - Parameter row: Address of the row; with masks only.
    func note(_ k: KernelBuilder, exists: Condition, weight: Value<Float>, row: Pointer<BFloat16>? = nil) {
        k.store(exists.select(k.constant(UInt32(1)), k.constant(UInt32(0))), to: self.exists + k.threadIndex)
        k.store(weight, to: weights + k.threadIndex)
        if let rows, let row { k.store(row.bits, to: rows + k.threadIndex) }
    }

    /// Eight channels of the weighted sum, added in Float32 in the order of the rows.
    ///
    /// - Parameters:
    ///   - token: Row 0 of the token; without masks the others follow `paddedHidden` apart.
    ///   - channel: The first channel.
    func sum(_ k: KernelBuilder, _ token: Pointer<BFloat16>, _ channel: Value<UInt32>) -> [Value<Float>] {
        let first = token + channel
        let sums = (0..<8).map { _ in k.variable(Float(0)) }
        // Keeps loads of up to eight rows in flight.
        for group in stride(from: 0, to: shape.tokenRows, by: 8) {
            let choices = group..<min(group + 8, shape.tokenRows)
            let rows = choices.map { choice -> [Variable<UInt32>] in
                let words = (0..<4).map { _ in k.variable(UInt32(0)) }
                k.if(k.load(exists + choice) != 0) {
                    let row = self.rows.map { Pointer<BFloat16>(bits: k.load($0 + choice)) + channel }
                    let loaded = k.loadVector(
                        (row ?? first + choice * shape.paddedHidden).cast(to: UInt32.self), count: 4)
                    for (word, value) in zip(words, loaded) { word.value = value }
                }
                return words
            }
            for (choice, words) in zip(choices, rows) {
                // A choice of nothing adds zero, which changes no bit of a sum that began with zero.
                let present = k.load(exists + choice) != 0
                let weight = present.select(k.load(weights + choice), k.constant(Float(0)))
                let values = words.flatMap(\.value.bfloat16Pair)
                for (sum, value) in zip(sums, values) { sum.add(value, times: weight) }
            }
        }
        return sums.map(\.value)
    }

    /// With masks: discards the rows. All threads call it, when all have loaded.
    func discard(_ k: KernelBuilder, threads: Int) {
        guard let rows else { return }
        let channels = Op.discardedBytes / 2
        k.for(to: shape.tokenRows) { choice in
            k.if(k.load(exists + choice) != 0) {
                let row = Pointer<BFloat16>(bits: k.load(rows + choice))
                k.for(from: k.threadIndex, to: shape.paddedHidden / channels, by: threads) { line in
                    k.discard(row + line * channels)
                }
            }
        }
    }
}
