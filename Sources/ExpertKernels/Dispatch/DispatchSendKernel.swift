import KernelLanguage

/// Parameters of the dispatch send.
package struct DispatchSendParameters: KernelParameters {
    /// UInt32: tokens of the step.
    package var tokenCount: MemoryParameter<UInt32>
    /// BF16 `[maxTokens, hidden]`.
    package var input: MemoryParameter<BFloat16>
    /// UInt64 `[maxTokens, topK]`: the chosen experts; anything but the number of one selects nothing.
    package var experts: MemoryParameter<UInt64>
    /// The ranks, to whose windows it writes the regions of dispatch, see `RankWindow`.
    package var ranks: PeersParameters
    /// UInt32 `[StepCounter.words]`: the rank's step counter.
    package var step: MemoryParameter<UInt32>
    /// UInt32 `[rankExperts]`, written unless ranks are masked: rows of each of the rank's experts.
    package var counts: MemoryParameter<UInt32>
    /// UInt64 `[rankExperts, ranks]`, written likewise: count in the low and first row in the high half.
    package var layoutRange: MemoryParameter<UInt64>
    /// UInt32 `[signalCount]`, cleared for the GEMMs.
    package var signals: MemoryParameter<UInt32>
    /// Fault record and time limit of its waits.
    package var watchdog: WatchdogParameters

    /// Parameters as given.
    package init(
        tokenCount: MemoryParameter<UInt32>, input: MemoryParameter<BFloat16>, experts: MemoryParameter<UInt64>,
        ranks: PeersParameters, step: MemoryParameter<UInt32>, counts: MemoryParameter<UInt32>,
        layoutRange: MemoryParameter<UInt64>, signals: MemoryParameter<UInt32>, watchdog: WatchdogParameters
    ) {
        self.tokenCount = tokenCount
        self.input = input
        self.experts = experts
        self.ranks = ranks
        self.step = step
        self.counts = counts
        self.layoutRange = layoutRange
        self.signals = signals
        self.watchdog = watchdog
    }
}

/// Sends each token to the ranks of its experts, straight to where their GEMM reads it, and to this rank's shared
/// experts.
///
/// Thread block 0 publishes how many rows this rank sends to each expert, and notes what the others publish. Every
/// other block takes a token at a time. A row's place follows from the routing alone: rows of lower ranks come first,
/// then this rank's in the order of tokens. So no counter is shared, and the layout is the same in every run. A row is
/// published by a word of its own, written after it.
///
/// With masks, tokens go to their landing, see `LandingRows`; block 0 notes nothing, and nobody is waited for.
///
/// With a network, tokens for ranks that it reaches are staged, and put from there as soon as they are quantised
/// (`TokenPackets`): nobody waits for row counts, since every source has memory of its own for all that it may send.
/// Block 0 then waits until the network has read the sources of earlier steps' puts: later kernels of this step may
/// overwrite combined rows, and the next step the packets.
///
/// Takes `DispatchSendParameters`, with a link `LinkParameters`, with masks `MaskParameters`, with a network
/// `NetworkParameters` and, modelled, `NetworkCardParameters`.
package func dispatchSendKernel(_ window: RankWindow, signalCount: Int) throws(VerificationError) -> Kernel {
    let shape = window.shape
    let warps = DispatchedToken.warps(shape)
    let threads = warps * 32
    return try KernelBuilder.build("dispatch_send_\(window.format)_\(window.tokenName)", threads: threads) { k in
        let parameters = k.parameters(DispatchSendParameters.self)
        let links = PacedLink(k, window)
        let (input, signals) = (parameters.input, parameters.signals)
        let peers = Peers(parameters.ranks, window)
        let counter = StepCounter(parameters.step)
        let received = ReceivedCounts(
            shape: shape, counts: parameters.counts, layoutRange: parameters.layoutRange)
        let masks = RankMasks(k, window)
        let watchdog = Watchdog(parameters.watchdog, .dispatchSend, masks: masks)

        // Rows for each expert: all of them (in block 0, and with a link), and those of tokens before the block's.
        let experts = shape.ranks * shape.rankExperts
        let total = k.shared(UInt32.self, count: experts)
        let before = k.shared(UInt32.self, count: experts)
        let places = masks == nil ? TokenPlaces(k, shape) : nil
        k.clear(total, count: experts, threads: threads)
        k.clear(before, count: experts, threads: threads)
        k.waitForPrerequisites()
        let choices = Choices(
            experts: parameters.experts, tokens: k.load(parameters.tokenCount).minimum(shape.maxTokens), shape: shape)
        let allChoices = choices.tokens * shape.topK
        let counts = RowCounts(window: window, step: counter.current(k))
        let landings = masks.map { TokenLandings(k, LandingRows(window: window, step: counts.step), peers, $0) }
        k.syncThreads()

        // The tokens themselves are the rows of this rank's shared experts.
        func noteShared(_ rows: Value<UInt32>, in words: SharedPointer<UInt32>) {
            k.if(k.threadIndex < shape.sharedExperts) {
                let shared = ExpertNumbers(shape: shape).number(rank: peers.rank, local: k.threadIndex)
                k.store(rows, to: words + shared)
            }
        }

        k.if(k.blockIndex == 0) {
            noteShared(choices.tokens, in: total)
            choices.count(k, from: k.constant(UInt32(0)), to: allChoices, threads: threads, into: total)
            k.syncThreads()
            if let links { startTransfers(k, links, counts, peers, total, warps: warps) }
            if let masks {
                publishOwnersCounts(k, counts, peers, masks, total, threads: threads)
            } else {
                k.for(
                    from: k.threadIndex, to: shape.ranks * experts,
                    by: threads
                ) { index in
                    let expert = index % experts
                    counts.publish(k, peers, owner: index / experts, expert: expert, rows: k.load(total + expert))
                }
            }
            k.for(from: k.threadIndex, to: signalCount, by: threads) { index in
                k.store(0, to: signals + index)
            }
            if masks == nil { received.note(k, counts, peers, watchdog, warps: warps) }
            if let network = masks?.network { k.if(k.warpIndex == 0) { network.flush(k, watchdog) } }
        } else: {
            if links != nil {
                noteShared(choices.tokens, in: total)
                choices.count(k, from: k.constant(UInt32(0)), to: allChoices, threads: threads, into: total)
            }
            let counted = k.variable(UInt32(0))
            k.for(from: k.blockIndex - 1, to: choices.tokens, by: k.gridSize - 1) { token in
                let row = DispatchedToken(
                    k, window, from: input + token.multipliedWide(by: shape.hidden), threads: threads)
                let first = token * shape.topK
                noteShared(token, in: before)
                choices.count(k, from: counted.value, to: first, threads: threads, into: before)
                counted.value = first
                k.syncThreads()
                k.span(.wait, where: k.isFirstThread, (token, token)) {
                    k.for(from: k.warpIndex, to: shape.tokenRows, by: warps) {
                        row in
                        let expert = choices.expert(k, token: token, row: row, rank: peers.rank)
                        places?.find(
                            k, row: row, expert: expert, counts, peers, watchdog, before: before,
                            total: links == nil ? nil : total)
                        landings?.find(k, token: token, row: row, expert: expert, choices, before: before)
                    }
                    k.syncThreads()
                }
                k.if(k.isFirstThread) { k.launchDependents() }
                k.span(.send, where: k.isFirstThread, (token, token)) {
                    row.store(
                        k,
                        to: (0..<shape.tokenRows).compactMap {
                            places?.destination(k, row: $0, window) ?? landings?.destination(k, token: token, row: $0)
                        } + [landings?.staging(k, token: token)].compactMap { $0 })
                    k.syncThreads()
                    landings?.put(k, token: token, warps: warps)
                    k.if(k.threadIndex < shape.tokenRows) {
                        places?.publish(k, row: k.threadIndex, token: token, peers, step: counts.step)
                        landings?.publish(k, token: token, row: k.threadIndex)
                    }
                }
                // The next token's places are written behind the barrier after its counts.
            }
        }
    }
}

/// Block 0 tells each rank that is not masked how many rows this one sends to that rank's experts.
private func publishOwnersCounts(
    _ k: KernelBuilder, _ counts: RowCounts, _ peers: Peers, _ masks: RankMasks, _ total: SharedPointer<UInt32>,
    threads: Int
) {
    let shape = peers.window.shape
    k.for(from: k.threadIndex, to: shape.ranks * shape.rankExperts, by: threads) { expert in
        let owner = ExpertNumbers(shape: shape).owner(expert)
        k.if(!masks.hasMasked(k, owner)) {
            let publish = {
                counts.publish(k, peers, owner: owner, expert: expert, rows: k.load(total + expert))
            }
            guard let network = masks.network else { return publish() }
            k.if(network.reaches(k, owner)) {
                counts.put(k, network, owner: owner, expert: expert, rows: k.load(total + expert))
            } else: {
                publish()
            }
        }
    }
}

/// Block 0 reserves the links for all rows of this rank, and stores at each rank when the transfer of its rows begins.
private func startTransfers(
    _ k: KernelBuilder, _ links: PacedLink, _ counts: RowCounts, _ peers: Peers, _ total: SharedPointer<UInt32>,
    warps: Int
) {
    let shape = peers.window.shape
    k.for(from: k.warpIndex, to: shape.ranks, by: warps) { owner in
        let own = k.variable(UInt32(0))
        k.for(from: k.lane, to: shape.rankExperts, by: 32) { local in
            own.add(k.load(total + ExpertNumbers(shape: shape).number(rank: owner, local: local)))
        }
        let rows = k.warpSum(own.value)
        k.if(k.isFirstLane && owner != peers.rank) {
            let time = PacedLink.nanoseconds(links.model, bytes: peers.window.dispatchedBytes, times: rows)
            let starts = peers.pointer(k, peers.window.linkStarts, of: owner)
            k.store(links.reserve(k, to: owner, nanoseconds: time), to: starts + counts.linkStart(source: peers.rank))
        }
    }
    k.syncThreads()
}

/// Row counts that a rank receives: of each local expert, and of each source among them.
private struct ReceivedCounts {
    let shape: LayerShape
    let counts: Pointer<UInt32>
    let layoutRange: Pointer<UInt64>

    /// Waits for all ranks' counts and stores them, with a warp for each local expert and a lane for each rank.
    func note(_ k: KernelBuilder, _ published: RowCounts, _ peers: Peers, _ watchdog: Watchdog, warps: Int) {
        let own = peers.own(k)
        let notes = ArrivalNotes(published.window, own: own)
        let goesRound = shape.ranks > Hopper.warpThreads
        k.for(from: k.warpIndex, to: shape.rankExperts, by: warps) { local in
            // Rows of the ranks before, and whether all of those have published theirs: with more than 32 ranks only.
            let before = goesRound ? (rows: k.variable(UInt32(0)), complete: k.variable(true)) : nil
            k.lanesOverRanks(shape.ranks) { source in
                let count = k.variable(UInt32(0))
                let complete = k.variable(true)
                k.if(source() < shape.ranks) {
                    let (wait, rows) = published.await(
                        k, own, watchdog, source: source(),
                        expert: ExpertNumbers(shape: shape).number(rank: peers.rank, local: local), timed: notes != nil)
                    (complete.value, count.value) = (wait.arrived, rows)
                    notes?.note(k, .counts, source: source(), nanoseconds: wait.nanoseconds)
                }
                // If a rank publishes no count, the places of rows are unknown, and no rows are reported.
                let all = k.all(complete.value)
                let known = (before.map { $0.complete.value && all } ?? all).select(
                    count.value, k.constant(UInt32(0)))
                let prefix = k.warpPrefix(known)
                let end = before.map { $0.rows.value + prefix } ?? prefix
                k.if(source() < shape.ranks) {
                    k.store(
                        k.packUInt64(low: known, high: end - known),
                        to: layoutRange + local.multiply(shape.ranks, add: source()))
                }
                k.if(source() == shape.ranks - 1) {
                    let rows = before.map { ($0.complete.value && all).select(end, k.constant(UInt32(0))) } ?? end
                    k.store(rows, to: counts + local)
                    notes?.note(k, rows: rows, expert: local)
                }
                if let before {
                    before.complete.value = before.complete.value && all
                    before.rows.value = k.shuffle(end, from: Hopper.warpThreads - 1)
                }
            }
        }
    }
}
