import KernelLanguage

/// Waits for the rows of every local expert and source rank and packs them: rows of an expert lie one behind the other,
/// by source rank and then by token.
///
/// - In: `window` of this rank; `rank`.
/// - Out: `rows` `[localExperts, maxRows, rowBytes]`; `scales` Float32 `[localExperts, hidden / 128, scaleRows]` (FP8
///   only); `counts` UInt32 `[localExperts]`; `sourceInfo` UInt64 `[localExperts, maxRows]`, source token in the low and
///   source rank in the high half; `choices` UInt32 `[localExperts, maxRows]`, `token * topK + k`; `layoutRange` UInt64
///   `[localExperts, ranks]`, count in the low and first row in the high half.
/// - State: `step`; `signals` UInt32 `[signalCount]` are cleared for the down GEMM that follows in stream order.
public func dispatchReceiveKernel(_ window: RankWindow, signalCount: Int) throws(VerificationError) -> Kernel {
    let shape = window.shape
    let warps = 8
    let name = "dispatch_receive_\(window.format)_h\(shape.hidden)_e\(shape.experts)_n\(shape.ranks)"
    return try KernelBuilder.build(name, threads: warps * 32) { k in
        let base = k.pointerParameter("window", to: UInt32.self)
        let rank = k.parameter("rank", UInt32.self)
        let packed = PackedRows(k, window)
        let step = StepCounter(k.pointerParameter("step", to: UInt32.self))
        let signals = k.pointerParameter("signals", to: UInt32.self)
        let watchdog = Watchdog(k, .dispatchReceive)
        let current = step.current(k)

        // First row, number of rows, and whether all flags arrived, from warp 0 to the block.
        let shared = k.shared(UInt32.self, count: 3)
        let pairs = k.constant(UInt32(shape.localExperts * shape.ranks))
        k.for(from: k.blockIndex, to: pairs, by: k.gridSize) { pair in
            let expert = pair / shape.ranks
            let source = pair % shape.ranks
            k.if(k.warpIndex == 0) {
                // Lane i learns how many rows rank i sent to this expert.
                let rows = k.variable(k.constant(UInt32(0)))
                let failed = k.variable(k.constant(false))
                k.if(k.lane <= source) {
                    let flags = base.cast(to: UInt64.self) + window.dispatchFlags / 8
                    let flag = flags + expert.multiply(shape.ranks, add: k.lane)
                    let (arrived, _) = watchdog.wait(
                        k,
                        for: Watchdog.Subject(
                            expert: rank.multiply(shape.localExperts, add: expert), block: k.lane,
                            expected: current.wide)
                    ) {
                        let (low, high) = k.load(flag, order: .acquire, scope: .system).halves
                        rows.value = low
                        return (high == current, high.wide)
                    }
                    failed.value = !arrived
                    // What the flag held belongs to another step.
                    k.if(!arrived) { rows.value = k.constant(UInt32(0)) }
                }
                let count = k.shuffle(rows.value, from: source)
                let below = (k.lane < source).select(rows.value, k.constant(UInt32(0)))
                let first = [16, 8, 4, 2, 1].reduce(below) { $0 + k.shuffle($0, exclusiveOr: $1) }
                let complete = !k.any(failed.value)
                k.if(k.isFirstLane) {
                    k.store(first, to: shared)
                    k.store(complete.select(count, k.constant(UInt32(0))), to: shared + 1)
                }
            }
            k.syncThreads()
            let first = k.load(shared)
            let count = k.load(shared + 1)
            k.if(k.isFirstThread) {
                packed.describe(k, expert: expert, source: source, first: first, count: count)
            }
            let place = pair * shape.maxTokens
            k.for(from: k.warpIndex, to: count, by: k.constant(UInt32(warps))) { row in
                packed.take(k, base, place: place + row, expert: expert, source: source, row: first + row)
            }
            k.syncThreads()
        }

        let thread = k.blockIndex.multiply(warps * 32, add: k.threadIndex)
        k.for(from: thread, to: k.constant(UInt32(signalCount)), by: k.gridSize * (warps * 32)) { index in
            k.store(k.constant(UInt32(0)), to: signals + index)
        }
        k.syncThreads()
        k.if(k.isFirstThread) { step.finishBlock(k) }
    }
}

/// The packed rows of a rank, as the receive kernel writes them.
private struct PackedRows {
    let window: RankWindow
    let rows: Pointer<UInt32>
    let scales: Pointer<Float>
    let counts: Pointer<UInt32>
    let sourceInfo: Pointer<UInt64>
    let choices: Pointer<UInt32>
    let layoutRange: Pointer<UInt64>

    init(_ k: KernelBuilder, _ window: RankWindow) {
        self.window = window
        rows = k.pointerParameter("rows", to: UInt32.self)
        scales = k.pointerParameter("scales", to: Float.self)
        counts = k.pointerParameter("counts", to: UInt32.self)
        sourceInfo = k.pointerParameter("sourceInfo", to: UInt64.self)
        choices = k.pointerParameter("choices", to: UInt32.self)
        layoutRange = k.pointerParameter("layoutRange", to: UInt64.self)
    }

    /// Notes where the rows of `source` lie; the last rank's rows end the expert's.
    func describe(
        _ k: KernelBuilder, expert: Value<UInt32>, source: Value<UInt32>, first: Value<UInt32>, count: Value<UInt32>
    ) {
        let shape = window.shape
        k.store(k.packUInt64(low: count, high: first), to: layoutRange + expert.multiply(shape.ranks, add: source))
        k.if(source == shape.ranks - 1) { k.store(first + count, to: counts + expert) }
    }

    /// One warp moves one row, with its scales and origin, to its packed place.
    func take(
        _ k: KernelBuilder, _ base: Pointer<UInt32>, place: Value<UInt32>, expert: Value<UInt32>,
        source: Value<UInt32>, row: Value<UInt32>
    ) {
        let shape = window.shape
        let packedRow = expert.multiply(shape.maxRows, add: row)
        let from = base + window.rows / 4 + place.multipliedWide(by: window.rowBytes / 4)
        let to = rows + packedRow.multipliedWide(by: window.rowBytes / 4)
        // Rows are multiples of 128 bytes: 16 bytes to a lane, with whole lanes left over at the end.
        k.for(
            from: k.lane * 4, to: k.constant(UInt32(window.rowBytes / 4)), by: k.constant(UInt32(128))
        ) { word in
            k.storeVector(k.loadVector(from + word, count: 4), to: to + word)
        }
        if window.format == .float8 {
            let fromScales =
                base.cast(to: Float.self) + window.scales / 4 + place.multipliedWide(by: shape.hiddenGroups)
            k.for(
                from: k.lane, to: k.constant(UInt32(shape.hiddenGroups)), by: k.constant(UInt32(32))
            ) { group in
                let to =
                    scales + expert.multiply(shape.hiddenGroups, add: group).multipliedWide(by: shape.scaleRows) + row
                k.store(k.load(fromScales + group), to: to)
            }
        }
        k.if(k.isFirstLane) {
            let choice = k.load(base + window.choices / 4 + place)
            k.store(choice, to: choices + packedRow)
            k.store(k.packUInt64(low: choice / shape.topK, high: source), to: sourceInfo + packedRow)
        }
    }
}
