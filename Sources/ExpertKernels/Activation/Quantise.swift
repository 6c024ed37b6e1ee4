import KernelLanguage

/// FP8 quantisation of channels that share a scale.
struct Quantiser {
    /// What quantised values are to be multiplied by.
    let scale: Value<Float>
    /// What values are multiplied by before they are rounded.
    let inverse: Value<Float>

    /// For channels of which `largest` is the largest magnitude.
    init(_ k: KernelBuilder, largest: Value<Float>) {
        // A group of zeros has no largest value to divide by; any scale will do.
        let empty = largest == 0
        // The quotient of a tiny magnitude is infinite, and infinity times zero would be NaN.
        let quotient = (k.constant(Float(448)) / largest).minimum(k.constant(Float.greatestFiniteMagnitude))
        inverse = empty.select(k.constant(Float(1)), quotient)
        scale = empty.select(k.constant(Float(1)), largest / 448)
    }
}

/// FP8 quantisation of 128 channels by one warp, four channels to a lane.
///
/// - Parameter values: The lane's four channels.
/// - Returns: The four FP8 values packed, and the scale (the same on every lane) by which they are to be multiplied.
func quantise128(_ k: KernelBuilder, _ values: [Value<Float>]) -> (packed: Value<UInt32>, scale: Value<Float>) {
    var largest = values[0].magnitude
    for value in values.dropFirst() { largest = largest.maximum(value.magnitude) }
    for mask in [16, 8, 4, 2, 1] { largest = largest.maximum(k.shuffle(largest, exclusiveOr: mask)) }
    let quantiser = Quantiser(k, largest: largest)
    return (k.packFloat8(values.map { $0 * quantiser.inverse }), quantiser.scale)
}

/// Four BF16 channels at `pointer`, a multiple of 8 bytes, as Float32.
func loadFourChannels(_ k: KernelBuilder, _ pointer: Pointer<BFloat16>) -> [Value<Float>] {
    k.loadVector(pointer.cast(to: UInt32.self), count: 2).flatMap(\.bfloat16Pair)
}
