import KernelLanguage

/// Sends each token to the ranks of its experts: one block per token at a time, one copy per chosen expert.
///
/// A row's place in its destination follows from the routing alone (how many earlier choices named the same expert), so
/// no counter is shared and the layout is the same in every run. The block that sends the last row of an expert raises
/// the expert's flag at its rank; an expert that nobody chose gets its flag at once.
///
/// - In: `tokenCount` UInt32; `input` BF16 `[maxTokens, hidden]`; `experts` UInt64 `[maxTokens, topK]` (-1 selects
///   nothing); `peers` UInt64 `[ranks]`, addresses of the ranks' windows; `rank`.
/// - State: `sent` UInt32 `[experts]`, zero between steps; `step`.
public func dispatchSendKernel(_ window: RankWindow) throws(VerificationError) -> Kernel {
    let shape = window.shape
    let warps = 8
    let name = "dispatch_send_\(window.format)_h\(shape.hidden)_e\(shape.experts)_k\(shape.topK)_n\(shape.ranks)"
    return try KernelBuilder.build(name, threads: warps * 32) { k in
        let tokenCount = k.pointerParameter("tokenCount", to: UInt32.self)
        let input = k.pointerParameter("input", to: BFloat16.self)
        let choices = Choices(
            experts: k.pointerParameter("experts", to: UInt64.self), tokens: k.load(tokenCount), shape: shape)
        let peers = Peers(
            table: k.pointerParameter("peers", to: UInt64.self), rank: k.parameter("rank", UInt32.self), window: window)
        let sent = k.pointerParameter("sent", to: UInt32.self)
        let step = StepCounter(k.pointerParameter("step", to: UInt32.self)).current(k)

        // What the block's warps find out about each choice of the token.
        let expertOf = k.shared(UInt32.self, count: shape.topK)
        let slotOf = k.shared(UInt32.self, count: shape.topK)
        let totalOf = k.shared(UInt32.self, count: shape.topK)

        k.for(from: k.blockIndex, to: choices.tokens, by: k.gridSize) { token in
            k.for(from: k.warpIndex, to: k.constant(UInt32(shape.topK)), by: k.constant(UInt32(warps))) { choice in
                let index = token.multiply(shape.topK, add: choice)
                let expert = choices.expert(k, at: index)
                let (before, total) = choices.count(k, of: expert, before: index)
                k.if(k.isFirstLane) {
                    k.store(expert, to: expertOf + choice)
                    k.store(before, to: slotOf + choice)
                    k.store(total, to: totalOf + choice)
                }
            }
            k.syncThreads()

            let destinations = (0..<shape.topK).map { choice in
                Destination(k, expert: k.load(expertOf + choice), slot: k.load(slotOf + choice), peers)
            }
            sendRow(k, input + token.multipliedWide(by: shape.hidden), to: destinations, window, warps: warps)
            for (choice, destination) in destinations.enumerated() {
                k.if(destination.exists && k.threadIndex == choice) {
                    k.store(token.multiply(shape.topK, add: k.constant(UInt32(choice))), to: destination.choice)
                }
            }
            k.syncThreads()

            k.if(k.threadIndex < shape.topK) {
                let expert = k.load(expertOf + k.threadIndex)
                k.if(expert < shape.experts) {
                    let total = k.load(totalOf + k.threadIndex)
                    // Acquire and release: the last sender passes on what all the others wrote.
                    let before = k.atomic(
                        .add, sent + expert, k.constant(UInt32(1)), order: .acquireRelease, scope: .gpu)
                    k.if(before + 1 == total) {
                        k.store(k.constant(UInt32(0)), to: sent + expert, order: .relaxed, scope: .gpu)
                        peers.raiseDispatchFlag(k, expert: expert, step: step, rows: total)
                    }
                }
            }
            k.syncThreads()
        }

        let worker = k.blockIndex * warps + k.warpIndex
        k.for(from: worker, to: k.constant(UInt32(shape.experts)), by: k.gridSize * warps) { expert in
            let (_, total) = choices.count(k, of: expert, before: k.constant(UInt32(0)))
            k.if(k.isFirstLane && total == 0) {
                peers.raiseDispatchFlag(k, expert: expert, step: step, rows: total)
            }
        }
    }
}

/// Writes one token to all its destinations; the block's warps share the groups of 128 channels.
private func sendRow(
    _ k: KernelBuilder, _ source: Pointer<BFloat16>, to destinations: [Destination], _ window: RankWindow, warps: Int
) {
    k.for(
        from: k.warpIndex, to: k.constant(UInt32(window.shape.hiddenGroups)), by: k.constant(UInt32(warps))
    ) { group in
        let channels = source + group.multiply(128, add: k.lane * 4)
        switch window.format {
        case .float8:
            let (packed, scale) = quantise128(k, loadFourChannels(k, channels))
            for destination in destinations {
                k.if(destination.exists) {
                    k.store(packed, to: destination.row + group.multiply(32, add: k.lane))
                    k.if(k.isFirstLane) { k.store(scale, to: destination.scales + group) }
                }
            }
        case .bfloat16:
            let packed = k.loadVector(channels.cast(to: UInt32.self), count: 2)
            for destination in destinations {
                k.if(destination.exists) {
                    k.storeVector(packed, to: destination.row + group.multiply(64, add: k.lane * 2))
                }
            }
        }
    }
}
