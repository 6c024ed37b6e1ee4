/// The schedule's random numbers: SplitMix64 (Steele, Lea, Flood: "Fast splittable pseudorandom number generators").
struct RandomSource {
    private var state: UInt64

    init(seed: UInt64) { state = seed &+ 0x1234_5678_9ABC_DEF1 }

    @inline(__always)
    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }

    /// A number from 0 to `bound` - 1; the bias is below 2⁻³² for the small bounds used here.
    @inline(__always)
    mutating func below(_ bound: Int) -> Int { Int(((next() >> 32) &* UInt64(truncatingIfNeeded: bound)) >> 32) }

    mutating func within(_ range: ClosedRange<UInt64>) -> UInt64 {
        range.lowerBound &+ next() % (range.upperBound &- range.lowerBound &+ 1)
    }
}
