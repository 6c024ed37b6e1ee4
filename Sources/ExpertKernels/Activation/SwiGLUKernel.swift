import KernelLanguage

/// Parameters of the SwiGLU kernel.
package struct SwiGLUParameters: KernelParameters {
    /// UInt32 `[experts]`: rows of each expert.
    package var counts: MemoryParameter<UInt32>
    /// BF16 `[experts, maxRows, 2 * intermediate]`, gate channels first.
    package var gateUp: MemoryParameter<BFloat16>
    /// Written: FP8 `[experts, maxRows, intermediate]`, four channels in a word.
    package var rows: MemoryParameter<UInt32>
    /// Written: Float32 `[experts, intermediate / 128, scaleRows]`.
    package var scales: MemoryParameter<Float>

    /// Parameters as given.
    package init(
        counts: MemoryParameter<UInt32>, gateUp: MemoryParameter<BFloat16>, rows: MemoryParameter<UInt32>,
        scales: MemoryParameter<Float>
    ) {
        self.counts = counts
        self.gateUp = gateUp
        self.rows = rows
        self.scales = scales
    }
}

/// SwiGLU and quantisation between the two GEMMs: `silu(gate) * up`, or the shape's activation, quantised per row and
/// 128 channels. Takes `SwiGLUParameters`. A dependent launch behind the GEMM; the next kernel may be one too.
package func swiGLUKernel(_ shape: ExpertShape) throws(VerificationError) -> Kernel {
    let (intermediate, experts, maxRows, scaleRows) = (
        shape.intermediate, shape.experts, shape.maxRows, shape.scaleRows
    )
    let warps = 8
    let groups = intermediate / ScaleGroup.channels
    let activation = shape.expertActivation
    let name = "swiglu_i\(intermediate)_e\(experts)_r\(maxRows)" + shape.scaleFormat.name + activation.name
    return try KernelBuilder.build(name, threads: warps * 32) { k in
        let parameters = k.parameters(SwiGLUParameters.self)
        let (gateUp, rows, scales) = (parameters.gateUp, parameters.rows, parameters.scales)
        let allWarps = k.gridSize * warps
        // Warps take items in turns, across experts.
        let next = k.variable(k.blockIndex * warps + k.warpIndex)
        k.waitForPrerequisites()
        // The next kernel may start once all those before this one have ended.
        k.launchDependents()
        k.for(to: experts) { expert in
            let items = k.load(parameters.counts + expert) * groups
            let swiGLU = SwiGLU(k, activation, expert: expert)
            k.while({ next.value < items }) {
                let item = next.value
                let row = item / groups
                let group = item % groups
                let globalRow = expert.multiply(maxRows, add: row)
                let gate =
                    gateUp + globalRow.multipliedWide(by: 2 * intermediate) + group.multiply(128, add: k.lane * 4)
                let gates = loadFourChannels(k, gate)
                let ups = loadFourChannels(k, gate + intermediate)
                let activated = zip(gates, ups).map { swiGLU(gate: $0, up: $1) }
                let (packed, scale) = quantise128(k, activated, shape.scaleFormat)
                k.store(
                    packed, to: rows + globalRow.multipliedWide(by: intermediate / 4) + group.multiply(32, add: k.lane))
                k.if(k.isFirstLane) {
                    k.store(scale, to: scales + expert.multiply(groups, add: group).multiply(scaleRows, add: row))
                }
                next.add(allWarps)
            }
            next.value = next.value - items
        }
    }
}
