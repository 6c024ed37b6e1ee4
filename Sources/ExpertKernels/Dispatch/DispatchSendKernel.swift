import KernelLanguage

/// Sends each token to the ranks of its experts, straight to where their GEMM reads it, and to this rank's shared experts.
///
/// Block 0 tells all ranks how many rows this one sends to each expert, and notes what the others tell. Every other block
/// takes a token at a time. A row's place follows from the routing alone: rows of lower ranks come first, then this rank's
/// in the order of tokens. So no counter is shared, and the layout is the same in every run. A row is announced by a word
/// of its own, written after it.
///
/// - In: `tokenCount` UInt32; `input` BF16 `[maxTokens, hidden]`; `experts` UInt64 `[maxTokens, topK]` (-1 selects
///   nothing); `peers` UInt64 `[ranks]`, addresses of the ranks' windows; `rank`; `step`.
/// - Out: what `RankWindow` says of dispatch, at the ranks; `counts` UInt32 `[rankExperts]`, rows of each of the rank's experts;
///   `layoutRange` UInt64 `[rankExperts, ranks]`, count in the low and first row in the high half; `signals` UInt32
///   `[signalCount]`, cleared for the down GEMM.
/// - State: `linkBusy` UInt64 `[ranks]`, with a link only.
public func dispatchSendKernel(_ window: RankWindow, signalCount: Int) throws(VerificationError) -> Kernel {
    let shape = window.shape
    let warps = DispatchedToken.warps(shape)
    let threads = warps * 32
    return try KernelBuilder.build("dispatch_send_\(window.format)_\(window.name)", threads: threads) { k in
        let tokenCount = k.pointerParameter("tokenCount", to: UInt32.self)
        let input = k.pointerParameter("input", to: BFloat16.self)
        let chosen = k.pointerParameter("experts", to: UInt64.self)
        let peers = Peers(k, window)
        let counter = StepCounter(k.pointerParameter("step", to: UInt32.self))
        let received = ReceivedCounts(k, window)
        let signals = k.pointerParameter("signals", to: UInt32.self)
        let links = window.link.map { model in
            PacedLink(model: model, busyUntil: k.pointerParameter("linkBusy", to: UInt64.self))
        }
        let watchdog = Watchdog(k, .dispatchSend)

        // Rows for each expert: all of them in block 0, and with a link; and those of tokens before the block's.
        let experts = shape.ranks * shape.rankExperts
        let total = k.shared(UInt32.self, count: experts)
        let before = k.shared(UInt32.self, count: experts)
        let places = TokenPlaces(k, shape)
        k.clear(total, count: experts, threads: threads)
        k.clear(before, count: experts, threads: threads)
        k.waitForPrerequisites()
        let choices = Choices(experts: chosen, tokens: k.load(tokenCount), shape: shape)
        let allChoices = choices.tokens * shape.topK
        let counts = RowCounts(window: window, step: counter.current(k))
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
            k.for(
                from: k.threadIndex, to: k.constant(UInt32(shape.ranks * experts)),
                by: k.constant(UInt32(threads))
            ) { index in
                let expert = index % experts
                counts.tell(k, peers, owner: index / experts, expert: expert, rows: k.load(total + expert))
            }
            k.for(from: k.threadIndex, to: k.constant(UInt32(signalCount)), by: k.constant(UInt32(threads))) { index in
                k.store(k.constant(UInt32(0)), to: signals + index)
            }
            received.note(k, counts, peers, watchdog, warps: warps)
        } else: {
            if links != nil {
                noteShared(choices.tokens, in: total)
                choices.count(k, from: k.constant(UInt32(0)), to: allChoices, threads: threads, into: total)
            }
            let counted = k.variable(k.constant(UInt32(0)))
            k.for(from: k.blockIndex - 1, to: choices.tokens, by: k.gridSize - 1) { token in
                let row = DispatchedToken(
                    k, window, from: input + token.multipliedWide(by: shape.hidden), threads: threads)
                let first = token * shape.topK
                noteShared(token, in: before)
                choices.count(k, from: counted.value, to: first, threads: threads, into: before)
                counted.value = first
                k.syncThreads()
                k.span(.wait, where: k.isFirstThread, (token, token)) {
                    k.for(from: k.warpIndex, to: k.constant(UInt32(shape.tokenRows)), by: k.constant(UInt32(warps))) {
                        row in
                        let expert = choices.expert(k, token: token, row: row, rank: peers.rank)
                        places.find(
                            k, row: row, expert: expert, counts, peers, watchdog, before: before,
                            total: links == nil ? nil : total)
                    }
                    k.syncThreads()
                }
                k.if(k.isFirstThread) { k.launchDependents() }
                k.span(.send, where: k.isFirstThread, (token, token)) {
                    row.store(k, to: (0..<shape.tokenRows).map { places.destination(k, row: $0, window) })
                    k.syncThreads()
                    k.if(k.threadIndex < shape.tokenRows) {
                        places.announce(k, row: k.threadIndex, token: token, peers, step: counts.step)
                    }
                }
                // The next token's places are written behind the barrier after its counts.
            }
        }
    }
}

/// Block 0 takes the links for all rows of this rank, and tells each rank when its rows' transfer begins.
private func startTransfers(
    _ k: KernelBuilder, _ links: PacedLink, _ counts: RowCounts, _ peers: Peers, _ total: SharedPointer<UInt32>,
    warps: Int
) {
    let shape = peers.window.shape
    k.for(from: k.warpIndex, to: k.constant(UInt32(shape.ranks)), by: k.constant(UInt32(warps))) { owner in
        let own = k.variable(k.constant(UInt32(0)))
        k.for(from: k.lane, to: k.constant(UInt32(shape.rankExperts)), by: k.constant(UInt32(32))) { local in
            own.add(k.load(total + ExpertNumbers(shape: shape).number(rank: owner, local: local)))
        }
        let rows = k.warpSum(own.value)
        k.if(k.isFirstLane && owner != peers.rank) {
            let time = PacedLink.nanoseconds(links.model, bytes: peers.window.dispatchedBytes, times: rows)
            let starts = peers.pointer(k, UInt64.self, owner: owner, offset: peers.window.linkStarts)
            k.store(links.reserve(k, to: owner, nanoseconds: time), to: starts + counts.linkStart(source: peers.rank))
        }
    }
    k.syncThreads()
}

/// What a rank receives: rows of each local expert, and those of each source among them.
private struct ReceivedCounts {
    private let shape: LayerShape
    private let counts: Pointer<UInt32>
    private let layoutRange: Pointer<UInt64>

    /// Declares the parameters.
    init(_ k: KernelBuilder, _ window: RankWindow) {
        shape = window.shape
        counts = k.pointerParameter("counts", to: UInt32.self)
        layoutRange = k.pointerParameter("layoutRange", to: UInt64.self)
    }

    /// Waits for all ranks' numbers and writes them down, a warp for each local expert and a lane for each rank.
    func note(_ k: KernelBuilder, _ told: RowCounts, _ peers: Peers, _ watchdog: Watchdog, warps: Int) {
        let own = peers.own(k)
        let notes = ArrivalNotes(told.window, own: own)
        k.for(from: k.warpIndex, to: k.constant(UInt32(shape.rankExperts)), by: k.constant(UInt32(warps))) { local in
            let count = k.variable(k.constant(UInt32(0)))
            let complete = k.variable(k.constant(true))
            k.if(k.lane < shape.ranks) {
                let (wait, rows) = told.await(
                    k, own, watchdog, source: k.lane,
                    expert: ExpertNumbers(shape: shape).number(rank: peers.rank, local: local), timed: notes != nil)
                (complete.value, count.value) = (wait.arrived, rows)
                notes?.note(k, .counts, source: k.lane, nanoseconds: wait.nanoseconds)
            }
            // If a rank does not tell, nothing is known of where rows lie.
            let known = k.all(complete.value).select(count.value, k.constant(UInt32(0)))
            let end = k.warpPrefix(known)
            k.if(k.lane < shape.ranks) {
                k.store(
                    k.packUInt64(low: known, high: end - known),
                    to: layoutRange + local.multiply(shape.ranks, add: k.lane))
            }
            k.if(k.lane == shape.ranks - 1) {
                k.store(end, to: counts + local)
                notes?.note(k, rows: end, expert: local)
            }
        }
    }
}
