import KernelLanguage

/// Waits for the rows of each token's experts and adds them up, weighted, in the order of the token's choices; so the
/// sum's bits do not depend on who was first.
///
/// - In: `window` of this rank; `tokenCount` UInt32; `experts` UInt64 `[maxTokens, topK]`; `weights` Float32
///   `[maxTokens, topK]`; `shared` BF16 `[maxTokens, hidden]`, the shared expert's result, added last (`addsShared`).
/// - Out: `output` BF16 `[maxTokens, hidden]`, zero for tokens without experts.
/// - State: `step`.
public func combineReceiveKernel(_ window: RankWindow, addsShared: Bool) throws(VerificationError) -> Kernel {
    let shape = window.shape
    let threads = 256
    let name =
        "combine_receive_h\(shape.hidden)_e\(shape.experts)_k\(shape.topK)_n\(shape.ranks)"
        + (addsShared ? "_shared" : "")
    return try KernelBuilder.build(name, threads: threads) { k in
        let base = k.pointerParameter("window", to: UInt32.self)
        let tokenCount = k.pointerParameter("tokenCount", to: UInt32.self)
        let choices = Choices(
            experts: k.pointerParameter("experts", to: UInt64.self), tokens: k.load(tokenCount), shape: shape)
        let weights = k.pointerParameter("weights", to: Float.self)
        let shared = k.pointerParameter("shared", to: BFloat16.self)
        let output = k.pointerParameter("output", to: BFloat16.self)
        let step = StepCounter(k.pointerParameter("step", to: UInt32.self))
        let watchdog = Watchdog(k, .combineReceive)
        let current = step.current(k)
        let flags = base + window.combineFlags / 4

        let failed = k.shared(UInt32.self, count: 1)
        k.if(k.isFirstThread) { k.store(k.constant(UInt32(0)), to: failed) }
        k.syncThreads()

        // Waits for one expert's flag; whoever fails tells the block.
        func awaitFlag(_ expert: Value<UInt32>) {
            let (arrived, _) = watchdog.wait(
                k,
                for: Watchdog.Subject(expert: expert, block: expert / shape.localExperts, expected: current.wide)
            ) {
                let seen = k.load(flags + expert, order: .acquire, scope: .system)
                return (seen == current, seen.wide)
            }
            k.if(!arrived) { k.store(k.constant(UInt32(1)), to: failed, order: .relaxed, scope: .block) }
        }

        k.for(from: k.blockIndex, to: choices.tokens, by: k.gridSize) { token in
            k.if(k.threadIndex < shape.topK) {
                let expert = choices.expert(k, at: token.multiply(shape.topK, add: k.threadIndex))
                k.if(expert < shape.experts) { awaitFlag(expert) }
            }
            k.syncThreads()
            k.if(k.load(failed, order: .relaxed, scope: .block) == 0) {
                let sum = TokenSum(
                    k, choices, weights, token: token, rows: (base + window.combineRows / 4).cast(to: BFloat16.self))
                sum.write(k, to: output, addingShared: addsShared ? shared : nil, threads: threads)
            }
            k.syncThreads()
        }

        // Even a rank whose tokens chose none of its experts must have taken this step's rows before the next begins.
        k.if(k.blockIndex == 0) {
            k.for(
                from: k.threadIndex, to: k.constant(UInt32(shape.experts)), by: k.constant(UInt32(threads))
            ) { awaitFlag($0) }
        }
        k.syncThreads()
        k.if(k.isFirstThread) { step.finishBlock(k) }
    }
}

/// The weighted sum of one token's rows.
private struct TokenSum {
    private let shape: LayerShape
    private let token: Value<UInt32>
    private let terms: [(exists: Condition, weight: Value<Float>, row: Pointer<BFloat16>)]

    /// - Parameter rows: BF16 `[maxTokens, topK, hidden]`.
    init(
        _ k: KernelBuilder, _ choices: Choices, _ weights: Pointer<Float>, token: Value<UInt32>,
        rows: Pointer<BFloat16>
    ) {
        let shape = choices.shape
        self.shape = shape
        self.token = token
        terms = (0..<shape.topK).map { choice in
            let index = token.multiply(shape.topK, add: k.constant(UInt32(choice)))
            return (
                choices.expert(k, at: index) < shape.experts, k.load(weights + index),
                rows + index.multipliedWide(by: shape.hidden)
            )
        }
    }

    /// Eight channels to a thread, added in Float32, rounded once.
    func write(
        _ k: KernelBuilder, to output: Pointer<BFloat16>, addingShared shared: Pointer<BFloat16>?, threads: Int
    ) {
        k.for(
            from: k.threadIndex * 8, to: k.constant(UInt32(shape.hidden)), by: k.constant(UInt32(threads * 8))
        ) { channel in
            let sums = (0..<8).map { _ in k.variable(k.constant(Float(0))) }
            for term in terms {
                k.if(term.exists) {
                    for (sum, value) in zip(sums, loadEightChannels(k, term.row + channel)) {
                        sum.add(value, times: term.weight)
                    }
                }
            }
            var results = sums.map(\.value)
            let offset = token.multipliedWide(by: shape.hidden)
            if let shared {
                results = zip(results, loadEightChannels(k, shared + offset + channel)).map { $0 + $1 }
            }
            let packed = (0..<4).map { k.packBFloat16(results[2 * $0], results[2 * $0 + 1]) }
            k.storeVector(packed, to: (output + offset + channel).cast(to: UInt32.self))
        }
    }

    private func loadEightChannels(_ k: KernelBuilder, _ pointer: Pointer<BFloat16>) -> [Value<Float>] {
        k.loadVector(pointer.cast(to: UInt32.self), count: 4).flatMap(\.bfloat16Pair)
    }
}
