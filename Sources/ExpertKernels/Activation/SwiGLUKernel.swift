import KernelLanguage

/// SwiGLU and quantisation between the two GEMMs: `silu(gate) * up`, quantised per row and 128 channels.
///
/// - In: `counts` UInt32 `[experts]`, rows of each expert; `gateUp` BF16 `[experts, maxRows, 2 * intermediate]`, gate
///   channels first.
/// - Out: `rows` FP8 `[experts, maxRows, intermediate]`; `scales` Float32 `[experts, intermediate / 128, scaleRows]`.
public func swiGLUKernel(_ shape: ExpertShape) throws(VerificationError) -> Kernel {
    let (intermediate, experts, maxRows, scaleRows) = (
        shape.intermediate, shape.experts, shape.maxRows, shape.scaleRows
    )
    let warps = 8
    let groups = intermediate / 128
    let name = "swiglu_i\(intermediate)_e\(experts)_r\(maxRows)"
    return try KernelBuilder.build(name, threads: warps * 32) { k in
        let counts = k.pointerParameter("counts", to: UInt32.self)
        let gateUp = k.pointerParameter("gateUp", to: BFloat16.self)
        let rows = k.pointerParameter("rows", to: UInt32.self)
        let scales = k.pointerParameter("scales", to: Float.self)

        let worker = k.blockIndex * warps + k.warpIndex
        k.for(to: experts) { expert in
            let items = k.load(counts + expert) * groups
            k.for(from: worker, to: items, by: k.gridSize * warps) { item in
                let row = item / groups
                let group = item % groups
                let globalRow = expert.multiply(maxRows, add: row)
                let gate =
                    gateUp + globalRow.multipliedWide(by: 2 * intermediate) + group.multiply(128, add: k.lane * 4)
                let gates = loadFourChannels(k, gate)
                let ups = loadFourChannels(k, gate + intermediate)
                let activated = zip(gates, ups).map { swiGLU(k, gate: $0, up: $1) }
                let (packed, scale) = quantise128(k, activated)
                k.store(
                    packed, to: rows + globalRow.multipliedWide(by: intermediate / 4) + group.multiply(32, add: k.lane))
                k.if(k.isFirstLane) {
                    k.store(scale, to: scales + expert.multiply(groups, add: group).multiply(scaleRows, add: row))
                }
            }
        }
    }
}

/// `silu(gate) * up`, with `silu(x) = x / (1 + e⁻ˣ)`.
func swiGLU(_ k: KernelBuilder, gate: Value<Float>, up: Value<Float>) -> Value<Float> {
    let exponential = (gate * -1.442_695_04).exponential2
    return gate * (exponential + 1).reciprocal * up
}
