import KernelLanguage

/// FNV-1a with 64 bits over the bits of BF16 values, the low byte of each first.
struct OutputHash {
    private(set) var value: UInt64 = 0xCBF2_9CE4_8422_2325

    /// The hash of one array.
    init(_ values: [BFloat16]) { add(values) }

    /// The hash of arrays one after the other.
    init(_ arrays: [[BFloat16]]) {
        for values in arrays { add(values) }
    }

    private mutating func add(_ values: [BFloat16]) {
        for element in values {
            for byte in [element.bits & 0xFF, element.bits >> 8] {
                value = (value ^ UInt64(byte)) &* 0x100_0000_01B3
            }
        }
    }
}
