/// How scales of FP8 activations are rounded and stored. A row has one for each 128 channels, the factor of their FP8
/// codes.
///
/// With `largest` the largest magnitude of the channels, the exact scale is `largest / 448`, so that codes reach to the
/// end of E4M3's range. Channels that are all zero have the scale 1, whatever the format.
public enum ScaleFormat: String, CaseIterable, Hashable, Sendable {
    /// The exact scale, in Float32.
    case float32
    /// The exact scale rounded up to a power of two, at least 2⁻¹²⁶, in Float32: 2 to the power of
    /// `ceil(log2(largest / 448))`. Multiplications by it are exact.
    case powerOfTwo
    /// Powers of two as well, of which dispatch stores the exponents alone, UE8M0: the upper bits of the Float32 from
    /// bit 23 on, those of four neighbouring groups of channels in a UInt32, the first in the lowest byte. Needs FP8
    /// rows, and a row whose channels, padded to 128, are a multiple of 512. The GEMMs do not read it.
    case exponents

    /// Whether scales are powers of two.
    public var isPowerOfTwo: Bool { self != .float32 }

    /// Groups of 128 channels whose scales share a word of 4 bytes.
    public var groupsPerWord: Int { self == .exponents ? 4 : 1 }

    /// For kernel names.
    var name: String { self == .float32 ? "" : "_\(self)" }
}
