import ExpertKernels

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#elseif canImport(Darwin)
    import Darwin
#endif

/// SwiGLU of one channel in FP64, plain or a variant.
struct ReferenceActivation {
    private let activation: Activation
    /// The limit that values are clamped to; infinite for none.
    private let limit: Double

    /// - Parameter limit: That of the expert, nil for none.
    init(_ activation: Activation, limit: Float?) {
        self.activation = activation
        self.limit = limit.map { Double($0) } ?? .infinity
    }

    /// The value by the definition.
    func callAsFunction(gate: Double, up: Double) -> Double { value(gate: gate, up: up, open: Self.sigmoid) }

    /// As kernels define it: PTX `rcp.approx.ftz` gives 0 for a reciprocal below the least normal FP32 number, and so a
    /// gate below about -87.3 / alpha gives 0.
    func asKernels(gate: Double, up: Double) -> Double {
        value(gate: gate, up: up) {
            let open = Self.sigmoid($0)
            return open < Double(Float.leastNormalMagnitude) ? 0 : open
        }
    }

    /// The factor that an up value gives: clamped, plus the offset.
    func factor(up: Double) -> Double { fromBelow(fromAbove(up)) + Double(activation.offset) }

    private func value(gate: Double, up: Double, open: (Double) -> Double) -> Double {
        let input = activation.clamped == .input ? fromAbove(gate) : gate
        let silu = input * open(Double(activation.alpha) * input)
        return (activation.clamped == .output ? fromAbove(silu) : silu) * factor(up: up)
    }

    // NaN is no larger and no smaller than a limit, and stays.

    private func fromAbove(_ value: Double) -> Double { value > limit ? limit : value }
    private func fromBelow(_ value: Double) -> Double { value < -limit ? -limit : value }

    static func sigmoid(_ value: Double) -> Double { 1 / (1 + exp(-value)) }
}
