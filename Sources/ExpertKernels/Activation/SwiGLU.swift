import KernelLanguage

/// SwiGLU of an expert's channels in registers.
struct SwiGLU {
    private let activation: Activation
    /// Limits of the expert's values, from above and below; nil for none.
    private let limits: (above: Value<Float>, below: Value<Float>)?

    /// - Parameter expert: Number of the expert on its rank.
    init(_ k: KernelBuilder, _ activation: ExpertActivation, expert: Value<UInt32>) {
        self.activation = activation.function
        let (own, shared) = (activation.function.limit, activation.function.sharedLimit)
        if own == nil, shared == nil {
            limits = nil
        } else {
            // Nothing is above infinity.
            let (routed, shared) = (own ?? .infinity, shared ?? .infinity)
            func ofExpert(_ routed: Float, _ shared: Float) -> Value<Float> {
                if activation.sharedExperts == 0 { return k.constant(routed) }
                return (expert < activation.sharedExperts).select(k.constant(shared), k.constant(routed))
            }
            limits = (ofExpert(routed, shared), ofExpert(-routed, -shared))
        }
    }

    /// `silu(gate) * up`, with `silu(x) = x / (1 + e⁻ˣ)`, or the variant of the activation.
    func callAsFunction(gate: Value<Float>, up: Value<Float>) -> Value<Float> {
        let gate = activation.clamped == .input ? clampedFromAbove(gate) : gate
        let exponential = (gate * (-1.442_695_04 * activation.alpha)).exponential2
        let open = gate * (exponential + 1).reciprocal
        let factor = activation.clamped == .output ? clampedFromAbove(open) : open
        let own = clampedFromBothSides(up)
        return factor * (activation.offset == 0 ? own : own + activation.offset)
    }

    // Comparisons, because the smaller of NaN and a number is the number, and NaN must stay visible.

    private func clampedFromAbove(_ value: Value<Float>) -> Value<Float> {
        guard let limits else { return value }
        return (value > limits.above).select(limits.above, value)
    }

    private func clampedFromBothSides(_ value: Value<Float>) -> Value<Float> {
        guard let limits else { return value }
        let lower = clampedFromAbove(value)
        return (lower < limits.below).select(limits.below, lower)
    }
}
