import ExpertKernels
import KernelLanguage

/// A token's channels in FP8 E4M3 with one FP32 scale for each 128 of them, as the kernels exchange it.
package struct QuantisedRow: Hashable, Sendable {
    /// Channels that share a scale.
    package static let block = 128

    /// E4M3 codes, one for each channel.
    package var values: [UInt8]
    /// One scale for each 128 channels; a channel's value is code x scale.
    package var scales: [Float]

    /// A row of these codes and scales.
    package init(values: [UInt8], scales: [Float]) {
        self.values = values
        self.scales = scales
    }

    /// Quantises a row in FP32 arithmetic: per block of 128 channels, the scale is the largest magnitude / 448, or 1
    /// when all are zero, and each code is `Float8E4M3(x * (448 / largest))`. Where scales are powers of two, the scale
    /// is rounded up to one, and each code is `Float8E4M3(x / scale)`.
    ///
    /// The last block may have fewer channels.
    package init(quantising row: some RandomAccessCollection<Float>, _ format: ScaleFormat = .float32) {
        values = []
        scales = []
        values.reserveCapacity(row.count)
        var start = row.startIndex
        while start != row.endIndex {
            let end = row.index(start, offsetBy: Self.block, limitedBy: row.endIndex) ?? row.endIndex
            let largest = row[start..<end].reduce(Float(0)) { max($0, $1.magnitude) }
            let (scale, inverse) = Self.scale(ofLargest: largest, format)
            scales.append(scale)
            for value in row[start..<end] {
                values.append(Float8E4M3(value * inverse).bits)
            }
            start = end
        }
    }

    private static func scale(ofLargest largest: Float, _ format: ScaleFormat) -> (scale: Float, inverse: Float) {
        if format.isPowerOfTwo {
            let scale = Float(powerOfTwo(ofLargest: Double(largest)))
            return (scale, 1 / scale)
        }
        if largest == 0 { return (1, 1) }
        // The quotient of a tiny magnitude is infinite, and infinity times zero would be NaN.
        return (largest / Float8E4M3.largest, min(Float8E4M3.largest / largest, .greatestFiniteMagnitude))
    }

    /// The least power of two that is a normal Float32 number and not below `largest / 448`; 1 for zero.
    static func powerOfTwo(ofLargest largest: Double) -> Double {
        if largest == 0 { return 1 }
        let exact = largest / Double(Float8E4M3.largest)
        return max(exact == exact.binade ? exact : 2 * exact.binade, Double(Float.leastNormalMagnitude))
    }

    /// The scales as dispatch stores exponents: for each 512 channels four bytes, the first block's the lowest.
    package var packedExponents: [UInt32] {
        stride(from: 0, to: scales.count, by: 4).map { first in
            (0..<4).reduce(0) { $0 | UInt32(127 + Int(scales[first + $1].exponent)) << (8 * $1) }
        }
    }

    /// The value of one channel, exact.
    package subscript(channel: Int) -> Double {
        Double(Float8E4M3(bits: values[channel]).float) * Double(scales[channel / Self.block])
    }
}
