import KernelLanguage

/// FP8 quantisation of channels that share a scale.
struct Quantiser {
    /// The scale: the factor of quantised values.
    let scale: Value<Float>
    /// The factor of values before they are rounded.
    let inverse: Value<Float>

    /// For channels of which `largest` is the largest magnitude.
    init(_ k: KernelBuilder, largest: Value<Float>, _ format: ScaleFormat) {
        // A group of zeros has no largest value to divide by; any scale will do.
        let empty = largest == 0
        if format.isPowerOfTwo {
            // 448 is 1.75 * 2⁸, so that the exponent falls by 8, and by 7 where the largest magnitude's
            // fraction is above 0.75: then the sum carries into it. The least exponent of a normal number
            // is 1, and the inverse is normal as well.
            let exponent = ((largest.reinterpreted(as: UInt32.self) + 0x1F_FFFF) >> 23).maximum(9) - 8
            let bits = empty.select(k.constant(UInt32(127)), exponent) << 23
            scale = bits.reinterpreted(as: Float.self)
            inverse = (k.constant(UInt32(254 << 23)) - bits).reinterpreted(as: Float.self)
            return
        }
        // The quotient of a tiny magnitude is infinite, and infinity times zero would be NaN.
        let quotient = (k.constant(Float(448)) / largest).minimum(k.constant(Float.greatestFiniteMagnitude))
        inverse = empty.select(k.constant(Float(1)), quotient)
        scale = empty.select(k.constant(Float(1)), largest / 448)
    }
}

extension Quantiser {
    /// The scale's exponent, 1 to 254 (UE8M0), which determines a scale that is a power of two.
    var exponent: Value<UInt32> { scale.reinterpreted(as: UInt32.self) >> 23 }
}

/// FP8 quantisation of 128 channels by one warp, four channels to a lane.
///
/// - Parameters:
///   - values: The lane's four channels.
///   - format: How the scale is rounded.
/// - Returns: The four FP8 values packed, and the scale (the same on every lane) by which they are to be multiplied.
func quantise128(
    _ k: KernelBuilder, _ values: [Value<Float>], _ format: ScaleFormat
) -> (packed: Value<UInt32>, scale: Value<Float>) {
    var largest = values[0].magnitude
    for value in values.dropFirst() { largest = largest.maximum(value.magnitude) }
    for mask in [16, 8, 4, 2, 1] { largest = largest.maximum(k.shuffle(largest, exclusiveOr: mask)) }
    let quantiser = Quantiser(k, largest: largest, format)
    return (k.packFloat8(values.map { $0 * quantiser.inverse }), quantiser.scale)
}

/// Four BF16 channels at `pointer`, a multiple of 8 bytes, as Float32.
func loadFourChannels(_ k: KernelBuilder, _ pointer: Pointer<BFloat16>) -> [Value<Float>] {
    k.loadVector(pointer.cast(to: UInt32.self), count: 2).flatMap(\.bfloat16Pair)
}
