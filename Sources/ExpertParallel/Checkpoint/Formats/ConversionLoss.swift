/// The error of converting weights to FP8, summed over all of them.
public struct ConversionLoss: Hashable, Sendable {
    /// Sum of the squares of the differences.
    public private(set) var squaredError = 0.0
    /// Sum of the squares of the exact weights.
    public private(set) var squaredNorm = 0.0

    /// The loss of no weights.
    public init() {}

    /// Root mean square of the differences, as a fraction of that of the weights; 0 for weights of zero.
    public var relative: Double { squaredNorm == 0 ? 0 : (squaredError / squaredNorm).squareRoot() }

    /// As a phrase.
    public var text: String {
        let thousandths = (relative * 1000).rounded() / 10
        return "converted from BF16 to FP8, relative error \(thousandths) %"
    }

    mutating func add(exact: Double, kept: Double) {
        squaredError += (kept - exact) * (kept - exact)
        squaredNorm += exact * exact
    }

    /// Adds another's weights.
    public mutating func add(_ other: ConversionLoss) {
        squaredError += other.squaredError
        squaredNorm += other.squaredNorm
    }
}
