import KernelLanguage

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#elseif canImport(Darwin)
    import Darwin
#endif

/// E4M3 codes in the frequencies that a normal distribution gives them, so that one look-up with random bits draws one.
package struct GaussianFloat8Table: Sendable {
    /// Standard deviation of the values: nearly four of them fit below 448.
    package static let deviation: Float = 120
    /// Random bits for one look-up; the table of 4 KiB stays in the first-level cache.
    static let indexBits = 12

    private let codes: [UInt8]

    package init() {
        let count = 1 << Self.indexBits
        var codes: [UInt8] = []
        codes.reserveCapacity(count)
        // All finite codes by value, each with the share of the distribution that rounds to it.
        let negative = (UInt8(0x81)...0xFE).reversed()
        let ordered = Array(negative) + Array(UInt8(0x00)...0x7E)
        for (position, code) in ordered.enumerated() {
            guard position + 1 < ordered.count else {
                codes += repeatElement(code, count: count - codes.count)
                break
            }
            let boundary = (Self.value(code) + Self.value(ordered[position + 1])) / 2
            let below = 0.5 * erfc(-boundary / (Double(Self.deviation) * 2.0.squareRoot()))
            let end = Int((below * Double(count)).rounded())
            codes += repeatElement(code, count: max(0, end - codes.count))
        }
        self.codes = codes
    }

    private static func value(_ code: UInt8) -> Double {
        Double(Float8E4M3(bits: code).float)
    }

    /// Random codes, none of them NaN.
    package func codes(_ count: Int, from stream: inout RandomStream) -> [UInt8] {
        [UInt8](unsafeUninitializedCapacity: count) { buffer, initialised in
            fill(UnsafeMutableBufferPointer(rebasing: buffer[..<count]), from: &stream)
            initialised = count
        }
    }

    /// Fills a buffer with random codes, none of them NaN.
    package func fill(_ buffer: UnsafeMutableBufferPointer<UInt8>, from stream: inout RandomStream) {
        let shift = UInt64(16 - Self.indexBits)
        codes.withUnsafeBufferPointer { codes in
            var position = 0
            while position < buffer.count {
                var bits = stream.next()
                for offset in 0..<min(4, buffer.count - position) {
                    buffer[position + offset] = codes[Int((bits & 0xFFFF) >> shift)]
                    bits >>= 16
                }
                position += 4
            }
        }
    }
}
