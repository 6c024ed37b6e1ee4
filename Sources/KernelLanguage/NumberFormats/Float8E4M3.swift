/// An FP8 number in the E4M3 format: one sign bit, four exponent bits (bias 7), three mantissa bits.
///
/// There are no infinities; `0x7F` and `0xFF` are NaN. The largest value is 448, the smallest normal one 2^-6 and the
/// smallest subnormal one 2^-9.
@frozen
public struct Float8E4M3: Hashable, Sendable {
    /// The eight bits: sign, exponent, mantissa.
    public var bits: UInt8

    /// The largest finite value.
    public static let largest: Float = 448

    /// The number with these bits; every pattern is valid.
    @inlinable
    public init(bits: UInt8) {
        self.bits = bits
    }

    /// The nearest E4M3 number, ties to the even mantissa, magnitudes above 448 (infinity too) saturated to 448.
    ///
    /// The same function as PTX `cvt.rn.satfinite.e4m3x2.f32`: any NaN becomes `0x7F`.
    @inlinable
    public init(_ value: Float) {
        let pattern = value.bitPattern
        let sign = UInt8(truncatingIfNeeded: (pattern >> 24) & 0x80)
        let magnitude = value.magnitude
        if magnitude < 0x1p-6 {
            // The subnormal step is 2^-9, which is also the step of Float from 2^14 on: the addition rounds.
            let shifted = (magnitude + 0x1p14).bitPattern &- (0x1p14 as Float).bitPattern
            bits = sign | UInt8(truncatingIfNeeded: shifted)
        } else if magnitude < 448 {
            let absolute = pattern & 0x7FFF_FFFF
            let rounded = (absolute &+ 0x7FFFF &+ ((absolute >> 20) & 1)) >> 20
            bits = sign | UInt8(truncatingIfNeeded: rounded &- ((127 - 7) << 3))
        } else {
            bits = value.isNaN ? 0x7F : sign | 0x7E
        }
    }

    /// The same number as a `Float`; exact.
    @inlinable
    public var float: Float {
        let magnitude = UInt32(bits & 0x7F)
        let sign = UInt32(bits & 0x80) << 24
        if magnitude < 8 {
            return Float(bitPattern: sign | (Float(magnitude) * 0x1p-9).bitPattern)
        }
        if magnitude == 0x7F {
            return Float(bitPattern: sign | 0x7FC0_0000)
        }
        return Float(bitPattern: sign | ((magnitude << 20) &+ ((127 - 7) << 23)))
    }

    /// The values of all 256 codes, indexed by the bits.
    ///
    /// For hot loops: take the array, or a pointer to its elements, outside of the loop.
    package static let decoded: [Float] = (0..<256).map { Float8E4M3(bits: UInt8($0)).float }
}
