/// A BF16 number: one sign bit, eight exponent bits, seven mantissa bits, the upper half of a `Float`.
@frozen
public struct BFloat16: Hashable, Sendable {
    /// The sixteen bits: sign, exponent (bias 127), mantissa.
    public var bits: UInt16

    /// The number with these bits; every pattern is valid, NaN and the infinities included.
    @inlinable
    public init(bits: UInt16) {
        self.bits = bits
    }

    /// The nearest BF16 number, ties to the even mantissa.
    ///
    /// Values at least half a step above the largest finite BF16 become infinite. A NaN stays one: its sign and upper
    /// payload bits are kept and it is made quiet.
    @inlinable
    public init(_ value: Float) {
        let pattern = value.bitPattern
        if value.isNaN {
            bits = UInt16(truncatingIfNeeded: pattern >> 16) | 0x0040
        } else {
            bits = UInt16(truncatingIfNeeded: (pattern &+ 0x7FFF &+ ((pattern >> 16) & 1)) >> 16)
        }
    }

    /// The nearest BF16 number, ties to the even mantissa, in one rounding.
    @inlinable
    public init(_ value: Double) {
        let nearest = Float(value)
        guard !value.isNaN, Double(nearest) != value else {
            self.init(nearest)
            return
        }
        // Rounding first to Float could create a tie that the Double did not have. Rounding to odd (towards zero, with
        // the lost bits remembered in the last bit) cannot, since Float has far more than two bits to spare.
        var pattern = nearest.bitPattern
        if Double(nearest.magnitude) > value.magnitude {
            pattern -= 1
        }
        self.init(Float(bitPattern: pattern | 1))
    }

    /// The same number as a `Float`; exact.
    @inlinable
    public var float: Float {
        Float(bitPattern: UInt32(bits) << 16)
    }
}
