import KernelLanguage

/// Quantises a rank's own tokens for the shared expert.
///
/// - In: `tokenCount` UInt32; `input` BF16 `[maxTokens, hidden]`.
/// - Out: `rows` FP8 `[maxTokens, hidden]`; `scales` Float32 `[hidden / 128, scaleRows]`, for the first `tokenCount`
///   tokens.
public func quantiseKernel(hidden: Int, scaleRows: Int) throws(VerificationError) -> Kernel {
    let warps = 8
    return try KernelBuilder.build("quantise_h\(hidden)_r\(scaleRows)", threads: warps * 32) { k in
        let tokenCount = k.pointerParameter("tokenCount", to: UInt32.self)
        let input = k.pointerParameter("input", to: BFloat16.self)
        let rows = k.pointerParameter("rows", to: UInt32.self)
        let scales = k.pointerParameter("scales", to: Float.self)

        let groups = hidden / 128
        let items = k.load(tokenCount) * groups
        let worker = k.blockIndex * warps + k.warpIndex
        k.for(from: worker, to: items, by: k.gridSize * warps) { item in
            let token = item / groups
            let group = item % groups
            let values = loadFourChannels(k, input + item.multipliedWide(by: 128) + k.lane * 4)
            let (packed, scale) = quantise128(k, values)
            k.store(packed, to: rows + item.multipliedWide(by: 32) + k.lane)
            k.if(k.isFirstLane) { k.store(scale, to: scales + group.multiply(scaleRows, add: token)) }
        }
    }
}
