/// SplitMix64 (Steele, Lea, Flood 2014): 64 random bits per step, the same on every machine.
package struct RandomStream: RandomNumberGenerator, Sendable {
    private var state: UInt64

    /// The stream of a seed.
    package init(seed: UInt64) {
        state = seed
    }

    /// A stream of its own for each name, so that tensors can be made in any order.
    package init(seed: UInt64, name: String) {
        // FNV-1a; Swift's own hashes differ from run to run.
        var hash: UInt64 = 0xCBF2_9CE4_8422_2325
        for byte in name.utf8 {
            hash = (hash ^ UInt64(byte)) &* 0x100_0000_01B3
        }
        state = seed ^ hash
        _ = next()
        state ^= hash
    }

    /// The next 64 bits.
    package mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }

    /// Uniform in `0..<1`, a multiple of 2^-24.
    package mutating func uniform() -> Float {
        Float(next() >> 40) * 0x1p-24
    }

    /// Roughly normal with mean 0 and standard deviation 1: the sum of four uniform numbers, within ±3.5.
    package mutating func normal() -> Float {
        let bits = next()
        let sum = (bits & 0xFFFF) + ((bits >> 16) & 0xFFFF) + ((bits >> 32) & 0xFFFF) + (bits >> 48)
        // Four uniform numbers on 0...65535 have the mean 131070 and the variance 4 (65536^2 - 1) / 12.
        return (Float(sum) - 131_070) * (1 / 37_837.23)
    }
}
