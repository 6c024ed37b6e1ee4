import KernelLanguage

/// How far a projection's sums may be from exact ones, channel by channel.
///
/// Kernels add up before they multiply with the scale of a channel: the error until then is a fraction of the unscaled
/// sums, and is multiplied as well.
struct SumErrors {
    private let beforeScales: Double
    private let channelScales: [Float]?

    /// - Parameters:
    ///   - exact: A row's sums, scaled.
    ///   - weight: The weights of the sums.
    ///   - relative: Error before scales of channels, as a fraction of the root mean square of the row.
    ///   - underflow: The error on top of it, see `SumUnderflow`.
    init(of exact: UnsafeBufferPointer<Double>, _ weight: QuantisedMatrix, relative: Double, underflow: Double) {
        channelScales = weight.channelScales
        let squares = exact.indices.reduce(0) { sum, channel in
            let scale = weight.channelScales.map { Double($0[channel]) } ?? 1
            let value = scale == 0 ? 0 : exact[channel] / scale
            return sum + value * value
        }
        beforeScales = relative * (squares / Double(max(1, exact.count))).squareRoot() + underflow
    }

    /// The bound of one channel. FP32's products near zero are off by half of its least number.
    subscript(channel: Int) -> Double {
        guard let channelScales else { return beforeScales }
        return Double(channelScales[channel].magnitude) * beforeScales + Double(Float.leastNonzeroMagnitude) / 2
    }
}
